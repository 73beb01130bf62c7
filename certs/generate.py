"""Makes the certificates that deploy/ needs: `python certs/generate.py`, then `kubectl apply -k deploy`.

Two authorities: one for the serving certificate, which the APIService trusts by its caBundle, and one for etcd, whose
client certificates give access to all data. Everything is kept in certs/out; what the manifests read is written to
deploy/generated. Neither is ever committed. Running it again keeps what is good for 30 more days, so it can run on a
schedule; --force makes all of it anew.
"""

import argparse
import logging
import sys
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
# The script's own folder is on the path, the project above it is not.
sys.path.insert(0, str(ROOT))

from apiserver.certificates import KeyPair, Profile, ensure_ca, ensure_leaf, read, store, write  # noqa: E402

_log = logging.getLogger("certs")


@dataclass(frozen=True)
class Names:
    """What the manifests call things; the certificates must say the same."""

    api_service: str
    service: str
    namespace: str
    etcd: str
    etcd_peers: str


def names_of(deploy: Path) -> Names:
    """The names in the manifests. Raises OSError, or ValueError when they are not there."""
    try:
        api_service = _manifest(deploy / "apiservice.yaml", "APIService")
        etcd = _manifest(deploy / "etcd.yaml", "StatefulSet")
        service = api_service["spec"]["service"]
        return Names(
            api_service["metadata"]["name"],
            service["name"],
            service["namespace"],
            etcd["metadata"]["name"],
            etcd["spec"]["serviceName"],
        )
    except (yaml.YAMLError, KeyError, StopIteration) as error:
        raise ValueError(f"apiservice.yaml and etcd.yaml in {deploy} do not name what they should") from error


def _manifest(path: Path, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    found: dict[str, Any] = next(document for document in documents if document["kind"] == kind)
    return found


def profiles(names: Names) -> dict[str, Profile]:
    """The leaf certificates: the name of their files, and what they say."""
    members = _service_names(f"*.{names.etcd_peers}", names.namespace)[2:]
    etcd = (*_service_names(names.etcd, names.namespace), *members)
    serving = _service_names(names.service, names.namespace)
    return {
        "serving": _profile(f"{names.service}.{names.namespace}.svc", serving, server=True),
        # etcd's own gateway connects to its client port as a client, with the server's certificate.
        "etcd-server": _profile(names.etcd, etcd, server=True, client=True),
        "etcd-peer": _profile(names.etcd_peers, members, server=True, client=True),
        "etcd-client": Profile(names.service, client=True),
    }


def _profile(common_name: str, dns: Sequence[str], server: bool, client: bool = False) -> Profile:
    return Profile(common_name, (), (*dns, "localhost"), ("127.0.0.1", "::1"), server, client)


def _service_names(service: str, namespace: str) -> tuple[str, ...]:
    qualified = f"{service}.{namespace}"
    return service, qualified, f"{qualified}.svc", f"{qualified}.svc.cluster.local"


def ca_bundle_patch(api_service: str, ca_pem: bytes) -> str:
    """The kustomize patch that gives an APIService its caBundle."""
    patch = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": api_service},
        "spec": {"caBundle": b64encode(ca_pem).decode("ascii")},
    }
    return yaml.safe_dump(patch, sort_keys=False)


def generate(out: Path, deploy: Path, force: bool) -> None:
    """Keeps everything below `out`, writes what the manifests read below `deploy`/generated. Raises OSError; ValueError
    for manifests that do not name what they should."""
    names = names_of(deploy)
    serving_ca, serving_bundle = _authority(out, "ca", f"{names.service}-ca", force)
    etcd_ca, etcd_bundle = _authority(out, "etcd-ca", f"{names.etcd}-ca", force)
    generated = deploy / "generated"
    for name, profile in profiles(names).items():
        authority = serving_ca if name == "serving" else etcd_ca
        store(generated, name, ensure_leaf(out, name, authority, profile, force=force))
    write(generated / "etcd-ca.crt", etcd_bundle)
    write(generated / "ca-bundle.yaml", ca_bundle_patch(names.api_service, serving_bundle).encode())


def _authority(out: Path, name: str, common_name: str, force: bool) -> tuple[KeyPair, bytes]:
    """The authority, and a bundle with the one that it replaced: until all Pods have the new certificates, those of the
    old one must still be good."""
    before = read(out, name)
    pair = ensure_ca(out, name, common_name, force=force)
    previous = out / f"{name}-previous.crt"
    if before is not None and before.cert_pem != pair.cert_pem:
        write(previous, before.cert_pem)
    return pair, pair.cert_pem + (previous.read_bytes() if previous.exists() else b"")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Make or renew the certificates that deploy/ needs.")
    made.add_argument("--out", type=Path, default=ROOT / "certs" / "out", help="folder to keep it in (certs/out)")
    made.add_argument("--deploy", type=Path, default=ROOT / "deploy", help="folder of the manifests (deploy)")
    made.add_argument("--force", action="store_true", help="make everything anew, the authorities too")
    return made


def main(argv: Sequence[str]) -> int:
    """The exit code: 0, or 1 after one sentence on standard error."""
    options = parser().parse_args(argv)
    try:
        generate(options.out, options.deploy, options.force)
    except OSError as error:
        _log.error("cannot make the certificates: %s: %s", error.filename, error.strerror)
        return 1
    except ValueError as error:
        _log.error("cannot make the certificates: %s", error)
        return 1
    _log.info("certificates are in %s; next: kubectl apply -k %s", options.out, options.deploy)
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(sys.argv[1:]))
