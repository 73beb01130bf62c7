"""Reading one object, and in which media type."""

from tests.e2e.conformance.steps import CAUGHT_UP, Cases, create, read, saved

CASES: Cases = {
    "accept": (
        create(),
        *(
            read(headers={"Accept": accept})
            for accept in ("application/yaml", "text/plain", "text/*,application/*;q=0.1", "*/*")
        ),
        read(pretty="true"),
        read(headers={"User-Agent": "curl/8"}),
    ),
    "get": (
        read("/none"),
        saved(),
        CAUGHT_UP,
        read(resourceVersion="0"),
        read(resourceVersion="x"),
        read(resourceVersion="{rv}"),
    ),
}
