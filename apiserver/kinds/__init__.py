"""The kinds that this server owns: one module each, found by being here."""

import importlib
import pkgutil

from apiserver.machinery.kind import Kind


def discover() -> tuple[Kind, ...]:
    """The KIND (or KINDS) of every module in this package, in the modules' order of names."""
    kinds: list[Kind] = []
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        kinds += getattr(module, "KINDS", ()) or (module.KIND,)
    return tuple(kinds)
