"""certs/generate.py: what it writes, what it keeps, and that its output fits the manifests."""

import logging
import shutil
import stat
from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from apiserver.certificates import KeyPair, profile_of, read
from certs import generate

ROOT = Path(__file__).parents[2]


def run(folder: Path, *flags: str) -> dict[str, bytes]:
    """Runs the command on a copy of the manifests; what deploy/generated holds then."""
    deploy = folder / "deploy"
    if not deploy.exists():
        deploy.mkdir()
        for name in ("apiservice.yaml", "etcd.yaml"):
            shutil.copy(ROOT / "deploy" / name, deploy)
    assert generate.main([f"--out={folder}/out", f"--deploy={deploy}", *flags]) == 0
    return {path.name: path.read_bytes() for path in (deploy / "generated").iterdir()}


def certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def names(pem: bytes) -> list[str]:
    extension = certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


def test_it_writes_what_kustomization_reads(tmp_path: Path) -> None:
    """Every file below generated/ that kustomization.yaml names exists after one run, and no other."""
    kustomization = yaml.safe_load((ROOT / "deploy" / "kustomization.yaml").read_text())
    sources = [source.partition("=")[2] for secret in kustomization["secretGenerator"] for source in secret["files"]]
    wanted = {*sources, *(patch["path"] for patch in kustomization["patches"])}

    assert {f"generated/{name}" for name in run(tmp_path)} == wanted


def test_serving_certificate_has_the_name_that_the_aggregator_asks_for(tmp_path: Path) -> None:
    """kube-apiserver verifies <service>.<namespace>.svc of the APIService against the caBundle."""
    service = yaml.safe_load((ROOT / "deploy" / "apiservice.yaml").read_text())["spec"]["service"]
    written = run(tmp_path)
    bundle = yaml.safe_load(written["ca-bundle.yaml"])["spec"]["caBundle"]

    assert f"{service['name']}.{service['namespace']}.svc" in names(written["serving.crt"])
    assert "localhost" in names(written["serving.crt"])
    certificate(written["serving.crt"]).verify_directly_issued_by(certificate(b64decode(bundle)))


def test_patch_names_the_api_service(tmp_path: Path) -> None:
    """The patch applies to the APIService of the manifests and changes its caBundle only."""
    manifest = yaml.safe_load((ROOT / "deploy" / "apiservice.yaml").read_text())
    patch = yaml.safe_load(run(tmp_path)["ca-bundle.yaml"])

    for key in ("apiVersion", "kind"):
        assert patch[key] == manifest[key]
    assert patch["metadata"] == {"name": manifest["metadata"]["name"]}
    assert list(patch["spec"]) == ["caBundle"]


def test_etcd_has_an_authority_of_its_own(tmp_path: Path) -> None:
    """What signs for etcd gives access to all data, so the serving certificate is signed by another."""
    written = run(tmp_path)
    authority = certificate(written["etcd-ca.crt"])

    for name in ("etcd-server.crt", "etcd-peer.crt", "etcd-client.crt"):
        certificate(written[name]).verify_directly_issued_by(authority)
    with pytest.raises(ValueError, match="Issuer"):
        certificate(written["serving.crt"]).verify_directly_issued_by(authority)


def test_etcd_certificates_fit_the_urls_of_the_manifests(tmp_path: Path) -> None:
    """The server's --etcd-servers and the members' advertised names are among the certificates' names."""
    written = run(tmp_path)

    assert "website-etcd.website-system.svc" in names(written["etcd-server.crt"])
    assert "*.website-etcd-peers.website-system.svc" in names(written["etcd-server.crt"])
    assert "*.website-etcd-peers.website-system.svc" in names(written["etcd-peer.crt"])


def test_usages(tmp_path: Path) -> None:
    """The client pair cannot serve, and the serving pair cannot be a client."""
    run(tmp_path)
    pairs = {name: read(tmp_path / "out", name) for name in ("serving", "etcd-client", "etcd-peer")}
    said = {name: profile_of(pair) for name, pair in pairs.items() if isinstance(pair, KeyPair)}

    assert (said["serving"].server, said["serving"].client) == (True, False)
    assert (said["etcd-client"].server, said["etcd-client"].client) == (False, True)
    assert (said["etcd-peer"].server, said["etcd-peer"].client) == (True, True)


def test_keys_are_private_and_authorities_stay_out_of_deploy(tmp_path: Path) -> None:
    """Keys are 0600 everywhere; an authority's key is in --out only."""
    written = run(tmp_path)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*.key")}

    assert modes == {0o600}
    assert "ca.key" not in written
    assert "etcd-ca.key" not in written


def test_running_again_changes_nothing(tmp_path: Path) -> None:
    """What is good stays, so that a schedule can run it."""
    assert run(tmp_path) == run(tmp_path)


def test_force_makes_everything_anew(tmp_path: Path) -> None:
    """--force replaces the authorities too."""
    first, second = run(tmp_path), run(tmp_path, "--force")

    assert [name for name in first if first[name] == second[name]] == []


def test_lost_copies_are_written_again(tmp_path: Path) -> None:
    """deploy/generated can be deleted at any time: the authority, and so the caBundle, stays the same."""
    first = run(tmp_path)
    shutil.rmtree(tmp_path / "deploy" / "generated")

    assert run(tmp_path) == first


def test_names_follow_the_manifests(tmp_path: Path) -> None:
    """Whoever moves the manifests to another namespace runs it again: new leaves, the same authority."""
    first = run(tmp_path)
    manifest = tmp_path / "deploy" / "apiservice.yaml"
    manifest.write_text(manifest.read_text().replace("namespace: website-system", "namespace: other"))
    second = run(tmp_path)

    assert "website-api.other.svc" in names(second["serving.crt"])
    assert first["ca-bundle.yaml"] == second["ca-bundle.yaml"]


def refusal(caplog: pytest.LogCaptureFixture, *flags: str) -> str:
    with caplog.at_level(logging.ERROR):
        assert generate.main(flags) == 1
    (message,) = caplog.messages
    return message


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One sentence says where and why, and the exit code is 1."""
    (tmp_path / "file").touch()
    message = refusal(caplog, f"--out={tmp_path}/file/out", f"--deploy={ROOT}/deploy")

    assert message == f"cannot make the certificates: {tmp_path}/file/out/ca.crt: Not a directory"


def test_missing_manifests_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without the manifests there are no names to certify."""
    message = refusal(caplog, f"--out={tmp_path}", f"--deploy={tmp_path}")

    assert message == f"cannot make the certificates: {tmp_path}/apiservice.yaml: No such file or directory"


def test_foreign_manifests_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Manifests without the objects it looks for are refused before anything is written."""
    (tmp_path / "apiservice.yaml").write_text("kind: APIService")
    (tmp_path / "etcd.yaml").write_text("kind: Pod")
    message = refusal(caplog, f"--out={tmp_path}/out", f"--deploy={tmp_path}")

    assert "do not name what they should" in message
    assert not (tmp_path / "out").exists()
