"""What the environment tells programs is not meant for the server that is tested."""

import os

_HERE = "127.0.0.1,localhost"

for name in [name for name in os.environ if name.startswith(("APISERVER_", "KUBERNETES_SERVICE_"))]:
    del os.environ[name]
# A proxy may be needed to build what the tests run, not to reach it.
for name in ("no_proxy", "NO_PROXY"):
    excepted = os.environ.get(name, "")
    if excepted != "*":
        os.environ[name] = f"{excepted},{_HERE}" if excepted else _HERE
