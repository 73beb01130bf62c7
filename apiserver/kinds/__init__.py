"""The kinds that this server owns: one module each, found by being here."""

import importlib
import pkgutil

from apiserver.machinery.kind import Kind
from apiserver.machinery.kindcheck import KindError


def discover() -> tuple[Kind, ...]:
    """The KIND (or KINDS) of every module in this package, in the modules' order of names. Raises KindError for a
    module without either."""
    kinds: list[Kind] = []
    for module_info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        exported = getattr(module, "KINDS", (getattr(module, "KIND", None),))
        if not isinstance(exported, tuple | list) or not all(isinstance(kind, Kind) for kind in exported):
            raise KindError(f"{module.__file__} must export a Kind as KIND, or a tuple of several as KINDS")
        kinds += exported
    return tuple(kinds)
