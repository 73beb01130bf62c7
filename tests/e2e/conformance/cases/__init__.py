"""Requests whose answers must be those of kube-apiserver: one module a topic, found by itself."""

import importlib
import pkgutil

from tests.e2e.conformance.steps import Cases


def _discover() -> Cases:
    """Every case, named module/name."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {
        f"{each.__name__.rpartition('.')[2]}/{name}": steps for each in modules for name, steps in each.CASES.items()
    }


CASES = _discover()
