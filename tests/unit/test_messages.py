"""Where etcd's messages come from."""

import subprocess
import sys


def test_grpc_is_not_loaded() -> None:
    """Storage in etcd has the messages of aetcd, and neither its client nor gRPC's library in memory."""
    program = "import sys, storage.etcd; print(sorted({'aetcd', 'grpc', 'google'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "['google']\n"
