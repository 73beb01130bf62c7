"""Discovery of the group: formats and methods."""

from itertools import product

from tests.e2e.conformance.steps import Cases, Step, read

_DOCUMENTS = ("/apis/{GROUP}", "/apis/{GROUP}/v1alpha1", "/apis/{GROUP}/v1alpha1/")
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ACCEPT = (
    *("", "*/*", "application/*", "application/yaml", "application/json;q=0.1,application/yaml", "text/plain"),
    *("application/json;pretty=1", "application/json;sv=v1", "application/json;as=Table;v=v1;g=meta.k8s.io"),
    *(_AGGREGATED, f"{_AGGREGATED},application/json", "application/json;as=Foo;g=x;v=y,application/yaml"),
)
_METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

CASES: Cases = {
    "formats": (
        *(read(path, {"Accept": accept}) for path, accept in product(_DOCUMENTS, _ACCEPT)),
        *(read(path, {"User-Agent": "curl/8"}) for path in _DOCUMENTS),
        *(read(path, pretty="1") for path in _DOCUMENTS),
    ),
    "methods": tuple(Step(method, path) for path, method in product(_DOCUMENTS, _METHODS)),
}
