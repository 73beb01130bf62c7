"""python -m apiserver: flags -> settings -> the server. Whatever an operator, or a kind's author, can put right is one
sentence."""

import os
import signal
import sys

for _number in (signal.SIGINT, signal.SIGTERM):
    # Until the server takes over there is nothing to clean up. Process 1 of a container would not hear SIGTERM, and
    # Python answers SIGINT with a traceback.
    signal.signal(_number, lambda number, _: os._exit(128 + number))

import asyncio

import uvloop

from apiserver import logs, memory
from apiserver.app import serve
from apiserver.client import ClientError
from apiserver.filters.authentication_config import SetupError
from apiserver.machinery.kindcheck import KindError
from apiserver.settings import Settings, SettingsError
from storage.interface import StorageError


def main() -> int:
    try:
        settings = Settings.load(sys.argv[1:])
        logs.configure(settings.logging_level)
        memory.configure()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (SettingsError, KindError, SetupError, ClientError, StorageError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
