# SPDX-License-Identifier: Apache-2.0
"""The registry client against Debian's docker-registry: plain, with TLS, passwords, tokens and mirrors."""

import concurrent.futures
import json
import subprocess
import time
from pathlib import Path

import pytest

from imagetools import entry, make_layout
from podwright.config import RegistryHost
from podwright.errors import ImageError
from podwright.images.distribution.credentials import Auth, Login
from podwright.images.distribution.registries import Registries
from podwright.images.distribution.registry import Registry as Client
from podwright.images.documents import digest_of, is_index, parse_manifest
from podwright.images.reference import parse
from registry import Registry
from secure_registry import IDENTITY_TOKEN, LEEWAY, PASSWORD, USER, Authority, SecureRegistry, TokenService

ME = Auth(Login(USER, PASSWORD))


@pytest.fixture(autouse=True)
def no_logins(monkeypatch, tmp_path):
    """Whoever runs the tests may be logged in somewhere."""
    for name in ("HOME", "XDG_RUNTIME_DIR"):  # not REGISTRY_AUTH_FILE: docker-registry takes that for its own auth.file
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """An image whose second layer is larger than what one read brings."""
    noise = subprocess.run(["head", "-c", "3000000", "/dev/urandom"], check=True, stdout=subprocess.PIPE).stdout
    return Path(make_layout(tmp_path_factory.mktemp("image") / "layout", [[entry("a", "x")], [entry("noise", noise)]]))


def copy(layout, registry, name, *, login=True):
    """Let skopeo push the image."""
    command = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
    command += ["--dest-creds", f"{USER}:{PASSWORD}"] if login else []
    subprocess.run([*command, f"oci:{layout}:latest", f"docker://{registry.address}/{name}"], check=True)


def pulled(registry, name, registries=None, auth=None):
    """Everything of an image, verified; what is None is missing."""
    client = Client(parse(f"{registry.address}/{name}"), registries, auth=auth)
    try:
        top = client.top()
        assert client.resolve() == digest_of(top)
        assert not is_index(top)
        manifest = parse_manifest(top)
        for descriptor in (manifest.config, *manifest.layers):
            content = b"".join(client.blob(descriptor))
            assert digest_of(content) == descriptor.digest
            assert b"".join(client.blob(descriptor, 7)) == content[7:]
        return manifest
    finally:
        client.close()


def refused(registry, name, registries=None, auth=None):
    """Return the error, which must come at once."""
    client = Client(parse(f"{registry.address}/{name}"), registries, auth=auth)
    start = time.monotonic()
    with pytest.raises(ImageError) as caught:
        client.top()
    assert time.monotonic() - start < 5, "it was tried again and again"
    client.close()
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def host(registry, **settings):
    return Registries(hosts=(RegistryHost(registry.address, **{key: str(value) for key, value in settings.items()}),))


# ---- without TLS ----


@pytest.fixture(scope="module")
def plain(layout):
    with Registry() as registry:
        copy(layout, registry, "a/b:1", login=False)
        yield registry


def test_an_image(plain):
    assert len(pulled(plain, "a/b:1").layers) == 2


def test_what_is_not_there(plain):
    assert refused(plain, "a/b:2").startswith(f"{plain.address} has no such manifest: manifest unknown")
    assert "has no such manifest" in refused(plain, "none")


def test_other_tags_and_referrers(plain):
    client = Client(parse(f"{plain.address}/a/b:1"))
    digest = client.resolve()
    assert digest_of(client.tagged("1")) == digest
    assert client.tagged("sha256-0.sig") is None
    assert client.referrers(digest) == []
    client.close()


def test_referrers_under_their_tag(plain, layout):
    client = Client(parse(f"{plain.address}/a/b:1"))
    digest = client.resolve()
    name = f"{plain.address}/a/b:{digest.replace(':', '-')}"
    index = make_index_of(layout)
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--all", "--dest-tls-verify=false", index, f"docker://{name}"], check=True
    )
    assert [item.descriptor.digest for item in client.referrers(digest)] == [digest]
    client.close()


def make_index_of(layout):
    """Return a folder whose image is an index with the layout's manifest."""
    index = json.loads((layout / "index.json").read_text())
    entries = [{key: item for key, item in index["manifests"][0].items() if key != "annotations"}]
    entries[0]["platform"] = {"os": "linux", "architecture": "amd64"}
    media_type = "application/vnd.oci.image.index.v1+json"
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries}).encode()
    folder = layout.parent / "index"
    subprocess.run(["cp", "-a", layout, folder], check=True)
    (folder / "blobs" / Path(digest_of(data).replace(":", "/"))).write_bytes(data)
    top = {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
    top["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return f"oci:{folder}:latest"


# ---- with TLS ----


@pytest.fixture(scope="module")
def tls(authority, layout):
    with SecureRegistry(tls=authority, users=True) as registry:
        copy(layout, registry, "a/b:1")
        yield registry


def test_tls_with_an_authority_of_ones_own(tls, authority):
    assert len(pulled(tls, "a/b:1", host(tls, ca=authority.ca), ME).layers) == 2


def test_an_unknown_authority_is_not_trusted(tls, tmp_path):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    reason = refused(tls, "a/b:1", host(tls, ca=other.ca), ME)
    assert reason.startswith(f"the certificate of {tls.address} cannot be trusted (")
    assert f'as ca in the section [registries.hosts."{tls.address}"]' in reason


def test_a_certificate_of_another_host_is_not_trusted(authority):
    with SecureRegistry(tls=authority, host="DNS:registry.example") as registry:
        reason = refused(registry, "a/b:1", host(registry, ca=authority.ca))
    assert "cannot be trusted (IP address mismatch" in reason


def test_http_where_https_is_spoken(tls):
    assert "wants HTTPS: take it from registries.insecure" in refused(tls, "a/b:1")


def test_https_where_http_is_spoken(plain, authority):
    reason = refused(plain, "a/b:1", host(plain, ca=authority.ca))
    assert reason.startswith(f"{plain.address} does not speak HTTPS: ")


def test_a_client_with_a_certificate(authority, layout, tmp_path):
    certificate, key = authority.sign("client", client=True)
    (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    with SecureRegistry(tls=authority, clients=True) as registry:
        known = {"ca": authority.ca, "certificate": certificate, "key": key}
        assert "has no such manifest" in refused(registry, "a/b:1", host(registry, **known))
        both = {"ca": authority.ca, "certificate": tmp_path / "both.pem"}
        assert "has no such manifest" in refused(registry, "a/b:1", host(registry, **both))
        reason = refused(registry, "a/b:1", host(registry, ca=authority.ca))
        assert "does not accept our certificate, or wants one" in reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ca": "/none.pem"}, "the ca /none.pem cannot be used: No such file or directory"),
        ({"ca": "/etc/hostname"}, "the ca /etc/hostname cannot be used: not PEM"),
        ({"certificate": "/none.pem"}, "the certificate and key /none.pem cannot be used: No such file or directory"),
    ],
)
def test_files_that_cannot_be_used(tls, settings, reason):
    assert reason in refused(tls, "a/b:1", host(tls, **settings))


def test_a_key_that_is_anothers_or_has_a_password(tls, authority, tmp_path):
    certificate, key = authority.sign("one", client=True)
    _, other = authority.sign("two", client=True)
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "rsa", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked], check=True)
    for wrong in (other, locked):
        reason = refused(tls, "a/b:1", host(tls, certificate=certificate, key=wrong))
        assert f"the certificate and key {certificate} {wrong} cannot be used: not PEM, or a key that has" in reason


# ---- users ----


def test_logins(tls, authority):
    known = host(tls, ca=authority.ca)
    wrong = refused(tls, "a/b:1", known, Auth(Login(USER, "wrong")))
    assert wrong.startswith(f"{tls.address} does not know the user 'tester' with this password (the caller)")
    nobody = refused(tls, "a/b:1", known)
    assert "wants a user and a password, and no login was found for" in nobody
    assert "has no such manifest" in refused(tls, "none", known, ME)


def test_a_login_that_another_program_wrote(tls, authority, tmp_path):
    file = tmp_path / "auth.json"
    login = ["skopeo", "login", "--authfile", file, "--tls-verify=false", "-u", USER, "-p", PASSWORD, tls.address]
    subprocess.run(login, check=True, stdout=subprocess.DEVNULL)
    known = host(tls, ca=authority.ca)
    assert pulled(tls, "a/b:1", known, Auth.parse({"auth_file": str(file)}))


# ---- tokens ----


@pytest.fixture(scope="module")
def service(authority):
    with TokenService(authority) as service:
        yield service


@pytest.fixture(scope="module")
def guarded(service, layout):
    with SecureRegistry(tokens=service) as registry:
        copy(layout, registry, "public/a:1")
        copy(layout, registry, "private/a:1")
        yield registry


@pytest.fixture(autouse=True)
def as_new(request):
    if "service" in request.fixturenames:
        service = request.getfixturevalue("service")
        service.lifetime = service.told = 300
        service.requests.clear()


def test_a_token_for_everybody(service, guarded):
    assert pulled(guarded, "public/a:1")
    assert service.requests == ["GET repository:public/a:pull"]


def test_a_token_for_a_user(service, guarded):
    assert pulled(guarded, "private/a:1", auth=ME)
    assert service.requests == ["GET repository:private/a:pull"]


def test_a_token_for_an_identity_token(service, guarded):
    assert pulled(guarded, "private/a:1", auth=Auth(Login("", "", IDENTITY_TOKEN)))
    assert service.requests == ["POST repository:private/a:pull"]


def test_what_a_token_service_refuses(service, guarded):
    wrong = refused(guarded, "private/a:1", auth=Auth(Login(USER, "wrong")))
    assert wrong == (
        f"{service.address} does not know the user 'tester' with this password (the caller): "
        "incorrect username or password"
    )
    assert "refuses anonymous access to it" in refused(guarded, "private/a:1")
    old = refused(guarded, "private/a:1", auth=Auth(Login("", "", "old")))
    assert old.startswith(f"{service.address} does not accept the identity token (the caller): log in again")
    assert "has no such manifest" in refused(guarded, "public/none:1")


def test_a_token_that_expires_in_the_middle_of_a_pull(service, guarded):
    service.lifetime = 2 - LEEWAY
    client = Client(parse(f"{guarded.address}/private/a:1"), auth=ME)
    manifest = parse_manifest(client.top())
    service.lifetime = 300
    time.sleep(3)
    content = b"".join(client.blob(manifest.layers[0]))
    assert digest_of(content) == manifest.layers[0].digest
    assert len(service.requests) == 2
    client.close()


def test_a_token_that_is_known_to_have_expired_is_not_tried(service, guarded):
    service.told = 1
    client = Client(parse(f"{guarded.address}/private/a:1"), auth=ME)
    client.top()
    time.sleep(1)
    client.top()
    assert len(service.requests) == 2
    client.close()


def test_layers_in_parallel(service, guarded):
    client = Client(parse(f"{guarded.address}/private/a:1"), auth=ME)
    manifest = parse_manifest(client.top())
    wanted = [*manifest.layers, manifest.config] * 8
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(lambda descriptor: digest_of(b"".join(client.blob(descriptor))), wanted))
    assert digests == [descriptor.digest for descriptor in wanted]
    assert len(service.requests) == 1
    client.close()


# ---- mirrors ----


def mirrored(name, *mirrors):
    return Registries(hosts=(RegistryHost(name, mirrors=mirrors),))


def test_an_image_that_only_a_mirror_has(plain, layout):
    copy(layout, plain, "hub/library/thing:1", login=False)
    known = mirrored("registry.invalid", "127.0.0.1:1", f"{plain.address}/none", f"{plain.address}/hub/library")
    client = Client(parse("registry.invalid/thing:1"), known)
    manifest = parse_manifest(client.top())
    assert digest_of(b"".join(client.blob(manifest.layers[1]))) == manifest.layers[1].digest
    client.close()


def test_mirrors_that_do_not_help(plain):
    known = mirrored(plain.address, "127.0.0.1:1", f"{plain.address}/none")
    assert pulled(plain, "a/b:1", known)
    reason = refused(plain, "a/b:2", known)
    assert reason.startswith(
        f"{plain.address} has no such manifest: manifest unknown (and of its mirrors: cannot reach"
    )
