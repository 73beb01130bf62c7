"""etcd's messages and their numbers, as aetcd's generated code has them.

Its modules are found without importing aetcd itself: that would load a client and gRPC's library, which take 10 MB and
a tenth of the server's start, and are not used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

_aetcd = find_spec("aetcd")
__path__ = [f"{folder}/rpc" for folder in (_aetcd and _aetcd.submodule_search_locations) or ()]

rpc: Any = import_module(".rpc_pb2", __name__)
kv: Any = import_module(".kv_pb2", __name__)
