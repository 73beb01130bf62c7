"""Accept headers, pretty printing, Tables and partial metadata of everything that is read."""

from tests.e2e.conformance.steps import PARTIALS, TABLE, Cases, Step, create, read

_BETA = "application/json;as={};v=v1beta1;g=meta.k8s.io"
_ACCEPT = (
    *(
        "",
        "application/json;q=0",
        "application/json;q=0.1,application/yaml;q=0.9",
        "application/json;q=x,application/yaml",
    ),
    *("application/yaml;q=0.1,*/*", "*/*;q=0.1,application/yaml", "*/*,application/yaml;q=0.1", "application/*"),
    *("*", "*/json", "json", "application/json/", "application/json,", ",", "APPLICATION/JSON", "text/html,*/*;q=0.8"),
    *(
        "application/json;charset=utf-8",
        "application/json ; q=0.5",
        "application/json;pretty=1",
        "application/yaml;pretty=1",
    ),
    *("application/json;stream=watch", "application/json;stream=x", "application/yaml;stream=watch"),
    *("application/json;sv=v1", "application/json;sv=v2", "application/json;sv=", "application/json;export=1"),
    *("application/json;as=Table", "application/json;as=Table;v=v1", "application/json;g=meta.k8s.io;v=v1"),
    *("application/json;as=;g=;v=", "application/json;as=Table=x;g=meta.k8s.io;v=v1", "application/json;v=v1"),
    *("application/json;as=Scale;g=autoscaling;v=v1", "application/yaml;as=Table;v=v1;g=meta.k8s.io"),
    *(
        f"{TABLE['Accept']}, */*",
        f"text/plain,{TABLE['Accept']}",
        "application/json;as=Table;v=v9;g=meta.k8s.io,application/json",
    ),
    *(_BETA.format("Table"), _BETA.format("PartialObjectMetadata"), _BETA.format("PartialObjectMetadataList")),
)
_PRETTY = ("", "1", "0", "true", "false", "T", "yes")
_AGENTS = ("curl/8", "Wget/1", "Mozilla/5.0 (X)", "Mozilla/4.0", "Curl/8")


def _accepting(path: str) -> tuple[Step, ...]:
    return tuple(read(path, {"Accept": accept}) for accept in _ACCEPT)


CASES: Cases = {
    "object": (create(), *_accepting("/a")),
    "list": (create(), *_accepting("")),
    "missing": _accepting("/none"),
    "scale": (create(), *_accepting("/a/scale")),
    "status": (create(), *_accepting("/a/status")),
    "scale-tables": (
        create(),
        *(read("/a/scale", TABLE, includeObject=text) for text in ("None", "Metadata", "Object", "x")),
        read("/a/scale", PARTIALS),
    ),
    "pretty": (
        create(),
        *(read(path, pretty=text) for path in ("/a", "", "/none") for text in _PRETTY),
        *(read(path, {"User-Agent": agent}) for path in ("/a", "", "/none") for agent in _AGENTS),
        *(read("/a", {"User-Agent": "curl/8"}, pretty=text) for text in _PRETTY),
    ),
    "tables-of-errors": (
        create(),
        read("", TABLE, includeObject="x", labelSelector="="),
        read("", TABLE, includeObject="x", resourceVersion="x"),
        read("", TABLE, includeObject="none"),
        read("/none", TABLE, includeObject="x"),
        Step("POST", "", {"kind": "x"}, headers=TABLE),
        Step("DELETE", "/a", headers=TABLE),
        Step("DELETE", "/a", headers=TABLE),
    ),
}
