"""Bodies: media types, syntax, what they say they are, unknown and repeated fields, in JSON and in YAML."""

from tests.e2e.conformance.steps import MERGE, YAML, Cases, Step, create, saved

JSON = "application/json"
NEVER = {"dryRun": "All"}
IDENTITY = '"apiVersion":"{GROUP}/v1alpha1","kind":"Website"'
SPEC = '"spec":{"gitRepo":"https://x"}'
MANIFEST = f'{{{IDENTITY},"metadata":{{"name":"a"}},{SPEC}}}'
TAIL = "metadata: {name: a}\nkind: Website\napiVersion: {GROUP}/v1alpha1\n"
MERGED = "metadata: {{name: a, annotations: {}}}\nkind: Website\napiVersion: {{GROUP}}/v1alpha1\n"
"""What texts quote of a body is its start, where the group must not be: the reference's is another."""

CONTENT_TYPES = (
    *("", "application/json;charset=utf-8", "APPLICATION/JSON", "application/json;", "application/json ;a=b"),
    *("application/json;=", "application/json;x", "application/json;a=b;A=c", "application/json, text/plain"),
    *("text/json", "application/*", "application/merge-patch+json", "application/yaml;charset=utf-8", "text/yaml"),
)
PATCH_TYPES = (
    *("application/merge-patch+json;charset=utf-8", "Application/merge-patch+json", "application/merge-patch+json;"),
    *("application/strategic-merge-patch+json;x=y", "application/yaml", "application/apply-patch+cbor"),
)
MALFORMED = (
    *(
        " ",
        "\ufeff{}",
        "{}{}",
        '{"a" 1}',
        "{a:1}",
        '{"a":1',
        '{"a":1,',
        "nul",
        "01",
        "1.",
        "-",
        '"\\x"',
        '"\n"',
        "\x07",
    ),
    *('{"kind":5}', '{"apiVersion":[]}', '{"kind":"Website"}', '{"kind":""}'),
    *("x" * 30, "x" * 31, "{" + " " * 29, "{" + " " * 30),
)
OTHER_VERSIONS = ("null", '""', '"/"', '"/v1"', '"a/"', '"a/b/c"', '"{GROUP}/v9"', '"other/v1alpha1"')
FAULTY = (
    '"metadata":{"name":"a","foo":1,"labels":{"a":"1","a":"2"}},' + SPEC,
    '"metadata":{"name":"a","NAME":"x","Name":"y"},"Spec":1,"SPEC":{},' + SPEC,
    '"metadata":{"name":"a"},"spec":{"gitRepo":"https://x","z":1,"y":2},"status":{"conditions":[{"bar":1,"bar":2}]}',
    '"metadata":{"name":"a","ownerReferences":[{"apiVersion":"v1","kind":"K","name":"n","uid":"u","bad":1}],'
    '"managedFields":[{"x":1,"fieldsV1":{"f:a":{},"f:a":{}}}]},' + SPEC,
    '"metadata":{"name":"a"},"a.b":1,"a[0]":2,"":3,"\\n":4,"\\"":5,' + SPEC,
    '"metadata":{"name":"a"},' + ",".join(f'"f{number}":1' for number in range(150)) + "," + SPEC,
    '"metadata":{"name":"a",' + ",".join(f'"f{number}":1' for number in range(150)) + "}," + SPEC,
    '"metadata":{"name":"a"},' + ",".join(f'"{"x" * 60}{number}":1' for number in range(60)) + "," + SPEC,
    '"metadata":{"name":"a"},"' + "x" * 5000 + '":1,' + SPEC,
    '"metadata":{"name":"a","x":1},"spec":5',
    '"metadata":{"name":5,"x":1},"spec":{"y":1}',
    '"metadata":{"name":"a"},"spec":{"gitRepo":"https://x","replicas":null,"zz":null},"status":null,"x":null',
)
NUMBERS = ("-0", "0.1", "1e-1", "2147483648", "9223372036854775807", "9223372036854775808", "1e30")
YAML_SPECS = (
    *("{gitRepo: https://x, branch: yes}", "{gitRepo: https://x, branch: 1.20}", "{gitRepo: https://x, branch: 012}"),
    *(
        "{gitRepo: https://x, branch: 2020-01-01}",
        "{gitRepo: https://x, branch: 1:30}",
        "{gitRepo: https://x, branch: ~}",
    ),
    *(
        "{gitRepo: https://x, replicas: 0x10}",
        "{gitRepo: https://x, replicas: 1_0}",
        "{gitRepo: https://x, replicas: +5}",
    ),
    *("{gitRepo: https://x, replicas: .inf}", "{gitRepo: https://x, replicas: !!int '5'}", "{gitRepo: *x}"),
    *(
        "{gitRepo: https://x, branch: !!binary aGk=}",
        "{gitRepo: https://x, branch: !foo bar}",
        "{gitRepo: https://x, 1: a}",
    ),
    *("{gitRepo: https://x, [a]: b}", "{gitRepo: https://x, ~: b}", "&x {gitRepo: https://x, y: *x}"),
    *("{gitRepo: https://x, replicas: 99999999999999999999}", "{gitRepo: https://x}\n---\nfoo: 1", "{gitRepo: 'a"),
    *("[gitRepo", '{gitRepo: "\\q"}', "@x", "- x", "{gitRepo: https://x, gitRepo: https://y, foo: 1}"),
)


def posted(raw: str, content_type: str = JSON, **query: str) -> Step:
    return Step("POST", raw=raw, headers={"Content-Type": content_type}, query={**NEVER, **query})


def thrice(raw: str, content_type: str = JSON) -> tuple[Step, ...]:
    """As a warning, as an error, and without a word."""
    return (
        posted(raw, content_type),
        *(posted(raw, content_type, fieldValidation=how) for how in ("Strict", "Ignore")),
    )


def put(raw: str) -> Step:
    return Step("PUT", "/a", raw=raw, query=NEVER)


CASES: Cases = {
    "content-types": (
        *(posted(MANIFEST, each) for each in CONTENT_TYPES),
        posted("spec: {gitRepo: https://x}\n" + TAIL, "application/yaml;charset=utf-8"),
    ),
    "patch-types": (create(), *(Step("PATCH", "/a", {}, headers={"Content-Type": each}) for each in PATCH_TYPES)),
    "order-of-refusals": (
        create(),
        posted(MANIFEST, "text/plain", fieldValidation="x"),
        posted("{", fieldValidation="x"),
        Step("PUT", "/a", raw="{", query={"fieldValidation": "x"}, headers={"Content-Type": "text/plain"}),
        Step("PATCH", "/a", {}, {"fieldValidation": "x"}, {"Content-Type": "text/plain", "Accept": "text/plain"}),
        Step("PATCH", "/a", raw="[", query={"fieldValidation": "x"}, headers=MERGE),
        Step("PATCH", "", {}, headers={"Content-Type": "text/plain"}),
    ),
    "malformed": tuple(step for raw in MALFORMED for step in (posted(raw), posted(raw, fieldValidation="Ignore"))),
    "malformed-update": (create(), *(put(raw) for raw in MALFORMED)),
    "other-versions": tuple(
        step
        for version in OTHER_VERSIONS
        for step in thrice(f'{{"apiVersion":{version},"kind":"Website","x":1,"x":2,"metadata":{{"name":"a","y":1}}}}')
    ),
    "other-kinds": (
        *thrice('{"x":1,"x":2,"kind":"Other","apiVersion":"{GROUP}/v1alpha1","metadata":{"name":"a","y":1}}'),
        posted('{"kind":"WebsiteList","apiVersion":"{GROUP}/v1alpha1","items":[]}'),
        posted('{"kind":"Other","apiVersion":"{GROUP}/v1alpha1","metadata":{"name":"Bad"},"spec":5}'),
        saved(),
        put('{"kind":"Other","apiVersion":"{GROUP}/v1alpha1","zz":1,"metadata":{"name":"a","resourceVersion":"{rv}"}}'),
        put('{"kind":"Other","apiVersion":"{GROUP}/v1alpha1"}'),
        Step("PATCH", "/a", {"kind": "X", "metadata": {"labels": {"a b": "c"}}}, headers=MERGE),
        Step("PATCH", "/a", {"apiVersion": "x/v1", "kind": "X"}, headers=MERGE),
    ),
    "unknown-and-repeated": tuple(step for members in FAULTY for step in thrice(f"{{{IDENTITY},{members}}}")),
    "quoted-fields": tuple(
        step
        for name in ("\\u007f", '\\"', "\\n", "é", "\\\\", "\\u2028")
        for step in (
            *thrice(f'{{{IDENTITY},"metadata":{{"name":"a","{name}":1}},"spec":{{"gitRepo":"x","{name}":1}}}}'),
            *thrice(f'{{{IDENTITY},"metadata":{{"name":"a"}},"spec":{{"gitRepo":"x","{name}":1,"{name}":2}}}}'),
        )
    ),
    "quoted-kinds": tuple(
        step
        for text in ('<&\\"', "é", "\\u2028\\u0000")
        for body in (
            f'{{"apiVersion":"{text}","kind":"{text}","metadata":{{"name":5}}}}',
            f'{{"apiVersion":"{text}","kind":"{text}","metadata":{{"name":"a","x":1}}}}',
        )
        for step in (*thrice(body), Step("DELETE", "/a", raw=body))
    ),
    "faults-of-others": tuple(
        step
        for version in ("", *(f'"apiVersion":{each},' for each in ('"{GROUP}/v1alpha1"', '"v1"', '""', "null")))
        for step in thrice(f'{{{version}"kind":"Other","metadata":{{"name":5}}}}')
    ),
    "lists-for-others": tuple(
        step
        for spec in ('"branch":[{"a":1},[{"b":2}],null]', '"replicas":[{"a":{"b":1}}]')
        for step in thrice(f'{{{IDENTITY},"metadata":{{"name":"a"}},"spec":{{"gitRepo":"https://x",{spec}}}}}')
    ),
    "numbers-of-metadata": tuple(
        posted(f'{{{IDENTITY},"metadata":{{"name":"a","generation":{number}}},{SPEC}}}')
        for number in ("1e19", "1.5e20", "1e21", "1.5", "0.000001", "18446744073709551615")
    ),
    "numbers": tuple(
        posted(f'{{{IDENTITY},"metadata":{{"name":"a"}},"spec":{{"gitRepo":"https://x","replicas":{number}}}}}')
        for number in NUMBERS
    ),
    "yaml": tuple(step for spec in YAML_SPECS for step in thrice(f"spec: {spec}\n{TAIL}", "application/yaml")),
    "yaml-repeated": thrice(
        "spec:\n  gitRepo: https://x\n  x: 1\n  x: 2\nkind: Website\n" + TAIL,
        "application/yaml",
    ),
    "yaml-merged": tuple(
        step
        for notes in (
            *("{a: x, <<: {a: y}}", "{<<: [{a: x, b: x}, {a: y, c: y}]}", "{<<: {a: x}, <<: {b: y}}", '{"<<": x}'),
            *("{<<: 1}", "{<<: ~}", "{<<: [[{a: x}]]}", "{b: &q x, <<: *q}", '{1: x, "1": x}', "{1: x, 1: y}"),
        )
        for step in thrice(f"spec: {{gitRepo: https://x}}\n{MERGED.format(notes)}", "application/yaml")
    ),
    "yaml-tagged": tuple(
        posted(f"spec: {{gitRepo: https://x, replicas: {text}}}\n{TAIL}", "application/yaml")
        for text in (
            *("!!int x", "!!int ''", "!!int 1.0", "!!int 0o7", "!!bool x", "!!bool 1", "!!null x", "!!null ''"),
            *("!!float 0x10", "!!float 1_0", "!!float yes", "!!str 5", "0xFFFFFFFFFFFFFFFFFF", "6_.0", ".5_0e2"),
        )
    ),
    "yaml-malformed": (
        *(
            Step("POST", raw=raw, headers=YAML)
            for raw in ("- a\nb: c\n", "a: b: c", "'", "\x00", "%YAML 9\n", "a:\n\tb: 1")
        ),
        Step("POST", raw="spec: {name: a\n" + TAIL, headers=YAML),
    ),
}
