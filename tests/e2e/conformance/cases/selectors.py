"""Label and field selectors: the grammar, its faults, and what matches."""

from tests.e2e.conformance.steps import Cases, Step, create, listed

_MANY = (
    create("a", labels={"t": "x", "n": "1", "x/y": "1"}),
    create("b", labels={"t": "y", "n": "05", "in": "1", "notin": "2"}),
    create("c", labels={"n": "-3", "e": ""}),
    create("d", labels={"n": "9223372036854775807"}),
    create("e", labels={"n": "abc", "t": "in"}),
)
_LABELS = (
    *("t", "!t", "! t", " t = x ", "t==x", "t!=x", "t in(x,y)", "t in ( x , y )", "t notin (x,y)", "!t,!n", "t=x,t=y"),
    *("n>0", "n<5", "n>-5", "n>abc", "n>", "n>1,n<9", "n>1.5", "n>+1", "n>01", "n>9223372036854775808", "n>=1", "n<>1"),
    *("", "=", "==", "!=", ",", ",,", "t,", "t,,n", ",t", "t=", "t==", "t!=", "=x", "(", "()", ")", "t)", "t=x,)"),
    *("t in", "t in (", "t in (x", "t in ()", "t in (,)", "t in (x,)", "t in (,x)", "t in (x,,y)", "t in (x y)"),
    *(
        "t in x",
        "t in (x))",
        "t in ((x))",
        "t in (x) n",
        "t in (=)",
        "t in (!x)",
        "t in (x=y)",
        "t notin",
        "t notin ()",
    ),
    *("t x", "a b c", "in", "notin", "in in (1)", "notin notin (2)", "in=1", "!in", "!!t", "!", "!,t", "t!", "t!x"),
    *("t=!x", "t=x=y", "t===x", "t=x y", "t=(x)", "t=in", "t = notin", "t in (in)", "t gt 1", "n lt 5", "t=,n=1"),
    *("a/b/c", "/b", "a/", "x/y=1", "X/y", "a_b/c", "-a", "a-", "é", "t=é", "t=-x", f"t={'x' * 64}", "x" * 64),
    *(
        f"{'a' * 254}/b",
        f"a.b/{'c' * 64}",
        "t=x/y",
        "t=\\x",
        't="x"',
        "t=x;",
        "t\n",
        "t\t=\tx",
        "t=a:b",
        "*",
        "t=*",
        "%",
    ),
    *("t in (-a,_b)", "t notin (-a)", "n>-a", "T=x", "t=X"),
)
_FIELDS = (
    *("metadata.name=a", "metadata.name==a", "metadata.name!=a", "metadata.name=", "metadata.name", "metadata.name!="),
    *("=", "==", "!=", "=a", ",", ",,", "metadata.name=a,", ",metadata.name=a", "metadata.name=a,metadata.name=a"),
    *("metadata.name=a,metadata.name!=a", "metadata.name= a", " metadata.name=a", "metadata.name =a"),
    *("metadata.name=a=b", "metadata.name=a\\=b", "metadata.name=a\\,b", "metadata.name=a\\\\b", "metadata.name=a\\"),
    *("metadata.name=a\\x", "metadata.name\\=a", "metadata.name>a", "!metadata.name", "metadata.name===a"),
    *("metadata.namespace={ns}", "metadata.namespace!={ns}", "metadata.namespace=", "metadata.namespace=other"),
    *("metadata.uid=x", "spec.gitRepo=x", "spec.gitRepo!=x", "metadata.labels.t=x", "foo", "foo=", "Metadata.name=a"),
    *("metadata.name=é", "metadata.name=a/b", "metadata.name=..", "metadata.name=%", "kind=Website", "foo,bar"),
    *("metadata.name=a,spec.x=1", "spec.x=1,spec.y=2", "foo,metadata.name=a", "*", "metadata.name=*", "\\"),
)

_ZERO_BYTES = (
    *("\0", "t\0", "t\0\0", "\0t", " \0=", "t \0=", "t\0=\0x", "t=\0x", "t=x\0,n", "t=x,\0n", "t=x,\0\0n", "t=x\0n"),
    *(
        "!\0t",
        "!=\0t",
        "t!\0=x",
        "t in\0(x\0,y\0)",
        "t in (\0x)",
        "t in (x,\0)",
        "t in (x\0\0)",
        "n\0>0",
        "t\0x",
        "a/b_\0",
    ),
)

CASES: Cases = {
    "labels": (*_MANY, *(listed({"labelSelector": text}) for text in _LABELS)),
    "zero-bytes": (
        *_MANY,
        *(listed({"labelSelector": text}) for text in _ZERO_BYTES),
        *(listed({"fieldSelector": f"metadata.name{text}"}) for text in ("=a\0", "\0=a", "=\0a", "\0")),
    ),
    "fields": (*_MANY, *(listed({"fieldSelector": text}) for text in _FIELDS)),
    "across-namespaces": tuple(
        Step("GET", "/apis/{GROUP}/v1alpha1/websites", query={"fieldSelector": f"metadata.namespace={{ns}}{text}"})
        for text in ("", ",metadata.name=b", ",metadata.name!=b")
    ),
}
