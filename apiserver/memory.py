"""The garbage collector, told what kind of process this is."""

import gc

_YOUNG_OBJECTS = 20_000


def configure() -> None:
    """For a server that has been imported whole and starts to serve. A request makes hundreds of objects, none of them
    part of a cycle: to look for cycles after every 700, among all that was imported, finds nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
