"""The allocator and the garbage collector, told what kind of process this is."""

import ctypes
import gc
import sys

# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD = 4 * 1024 * 1024
_TRIM_THRESHOLD = 16 * 1024 * 1024
_YOUNG_OBJECTS = 20_000


def configure() -> None:
    """For a server that has been imported whole and starts to serve.

    uvloop reads TLS into a new block of 256 KiB each time; glibc would map and unmap each of these, which takes a good
    part of a small request's time in the kernel. And a request makes hundreds of objects, none of them part of a cycle:
    to look for cycles after every 700, among all that was imported, finds nothing.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
