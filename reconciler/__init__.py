"""Controllers: every module here that exports CONTROLLER is one."""

import importlib
import pkgutil

from reconciler.controller import Registration


def discover() -> tuple[Registration, ...]:
    """The controllers, in the order of their modules' names."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return tuple(module.CONTROLLER for module in modules if hasattr(module, "CONTROLLER"))
