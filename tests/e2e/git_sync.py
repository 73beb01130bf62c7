"""Stands in for git-sync v4 in tests: its flags, a real clone, a link that is changed in one step, and its endpoint.

    python git_sync.py --repo=URL --root=DIR --link=NAME ...

Unknown flags are refused. It keeps git-sync's layout: the repository in the root folder, each commit's tree in
.worktrees/COMMIT, and the link to the current one; its endpoint answers 503 until there is one.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--repo", required=True)
    parser.add_argument("--ref", default="HEAD")
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--link", required=True)
    parser.add_argument("--period", default=10.0, type=seconds)
    parser.add_argument("--depth", default="1")
    parser.add_argument("--max-failures", default=0, type=int)
    parser.add_argument("--http-bind", default="")
    return parser.parse_args(argv)


def seconds(duration: str) -> float:
    found = re.fullmatch(r"([\d.]+)(ms|s|m)", duration)
    if not found:
        raise ValueError(duration)
    return float(found[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[found[2]]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def sync(flags: argparse.Namespace) -> str:
    """The commit that is published now. Raises CalledProcessError."""
    root: Path = flags.root
    if not (root / ".git").exists():
        git(root, "init", "--quiet")
    git(root, "fetch", "--quiet", f"--depth={flags.depth}", flags.repo, flags.ref)
    commit = git(root, "rev-parse", "FETCH_HEAD^{commit}")
    tree = root / ".worktrees" / commit
    if not tree.exists():
        git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        publish(root / flags.link, tree)
    return commit


def publish(link: Path, tree: Path) -> None:
    """Changes the link in one step, then removes the tree that it led to."""
    before = link.resolve() if link.is_symlink() else None
    new = link.with_name(f"{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(tree, link.parent))
    new.replace(link)
    if before is not None:
        git(link.parent, "worktree", "remove", "--force", str(before))


def serve(bind: str, ready: threading.Event) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if ready.is_set() else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

    host, _, port = bind.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(argv: list[str]) -> None:
    """Runs until it is killed, or more syncs in a row have failed than allowed."""
    flags, ready, failures = parsed(argv), threading.Event(), 0
    if flags.http_bind:
        serve(flags.http_bind, ready)
    while True:
        try:
            print(f"synced {sync(flags)}", flush=True)  # noqa: T201 - its log
            ready.set()
            failures = 0
        except subprocess.CalledProcessError as error:
            failures += 1
            print(f"failed: {error.stderr.strip()}", flush=True)  # noqa: T201
            if 0 <= flags.max_failures < failures:
                sys.exit(1)
        time.sleep(flags.period)


if __name__ == "__main__":
    main(sys.argv[1:])
