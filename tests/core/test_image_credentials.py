# SPDX-License-Identifier: Apache-2.0
"""Logins: where they are looked for, which key of a file counts, and programs that keep them."""

import base64
import json
import os

import pytest

from podwright.errors import ImageError
from podwright.images.distribution import credential_helper
from podwright.images.distribution.credentials import Auth, Keyring, Login, default_files, find_login

SECRET = "correct horse"


def encoded(user, password=SECRET):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def keyring(auths=None, **sections):
    return Keyring(json.dumps({"auths": auths or {}, **sections}).encode(), "auth.json")


def found(keyring, host="quay.io", repository="team/app"):
    login = keyring.find(host, repository)
    return login and login.username


def entries(*keys):
    """A user for each key, named like it."""
    return {key: {"auth": encoded(key.replace(":", ";"))} for key in keys}


# ---- which key counts ----


@pytest.mark.parametrize(
    ("keys", "host", "repository", "user"),
    [
        (["quay.io"], "quay.io", "team/app", "quay.io"),
        (["quay.io", "quay.io/team"], "quay.io", "team/app", "quay.io/team"),
        (["quay.io/team/app", "quay.io/team"], "quay.io", "team/app", "quay.io/team/app"),
        (["quay.io/team"], "quay.io", "team2/app", None),
        (["quay.io/tea"], "quay.io", "team/app", None),
        (["quay.io/team/app/x"], "quay.io", "team/app", None),
        (["quay.io:443"], "quay.io", "a", None),
        (["lab:5000"], "lab:5000", "a", "lab;5000"),
        (["lab"], "lab:5000", "a", None),
        (["https://quay.io"], "quay.io", "a", "https;//quay.io"),
        (["http://quay.io/v1/"], "quay.io", "a", "http;//quay.io/v1/"),
        (["quay.io/"], "quay.io", "a", "quay.io/"),
        (["https://index.docker.io/v1/"], "docker.io", "library/busybox", "https;//index.docker.io/v1/"),
        (["index.docker.io/v1/"], "docker.io", "library/busybox", "index.docker.io/v1/"),
        (["docker.io"], "docker.io", "library/busybox", "docker.io"),
        (["docker.io/library", "docker.io"], "docker.io", "library/busybox", "docker.io/library"),
        (["registry-1.docker.io"], "docker.io", "a/b", "registry-1.docker.io"),
        (["*.example.com"], "r.example.com", "a", "*.example.com"),
        (["*.example.com"], "r.s.example.com", "a", None),
        (["*.example.com"], "example.com", "a", None),
        (["*.*.example.com", "r.*"], "r.s.example.com", "a", "*.*.example.com"),
        (["*.example.com", "r.example.com"], "r.example.com", "a", "r.example.com"),
        (["*.example.com", "*.example.com/a"], "r.example.com", "a/b", "*.example.com/a"),
        (["reg-*.io:5000"], "reg-1.io:5000", "a", "reg-*.io;5000"),
        ([], "quay.io", "a", None),
    ],
)
def test_the_longest_key_counts(keys, host, repository, user):
    assert found(keyring(entries(*keys)), host, repository) == user


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({"auth": encoded("u")}, ("u", SECRET, "")),
        ({"auth": encoded("u", "a:b\0")}, ("u", "a:b", "")),
        ({"username": "u", "password": SECRET}, ("u", SECRET, "")),
        ({"auth": encoded("u"), "username": "other", "password": "x"}, ("u", SECRET, "")),
        ({"auth": encoded("u", ""), "identitytoken": "t"}, ("u", "", "t")),
        ({"identitytoken": "t"}, ("", "", "t")),
        ({}, None),
        ({"email": "x"}, None),
        ("nonsense", None),
    ],
)
def test_what_an_entry_may_be(entry, login):
    assert keyring({"quay.io": entry}).find("quay.io", "a") == (login and Login(*login, "auth.json"))


@pytest.mark.parametrize(
    "entry", [{"auth": "%%%"}, {"auth": encoded("u")[:-1] + "é"}, {"auth": "dQ=="}, {"auth": 1}, {"auth": "/w=="},
              {"username": 1, "password": SECRET}, {"identitytoken": [SECRET]}]
)  # fmt: skip
def test_an_entry_that_is_wrong(entry):
    broken = keyring({"quay.io": entry})
    with pytest.raises(ImageError, match=r"auth\.json has a login whose") as caught:
        broken.find("quay.io", "a")
    assert SECRET not in str(caught.value)
    assert broken.find("docker.io", "a") is None, "it concerns only whoever needs it"


@pytest.mark.parametrize("text", [b"", b"[]", b"no", b'{"auths": 1}', b'{"credHelpers": [1]}', b"[" * 100000, b"\xff"])
def test_a_file_that_is_none(text):
    with pytest.raises(ImageError, match=r"^auth\.json"):
        Keyring(text, "auth.json")


# ---- where they are looked for ----


@pytest.fixture
def home(tmp_path):
    """Write a file of logins below a home, whose one user for quay.io is named like it."""

    def write(name, key="quay.io", *, legacy=False):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        auths = {key: {"auth": encoded(name)}}
        path.write_text(json.dumps(auths if legacy else {"auths": auths}))
        return str(path)

    write.environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    return write


def user(home, auth=None, auth_file="", **environ):
    login = find_login("quay.io", "team/app", auth, auth_file, home.environ | environ)
    return login and login.username


def test_the_files_are_looked_at_in_turn(home):
    assert user(home) is None
    home(".dockercfg", legacy=True)
    assert user(home) == ".dockercfg"
    for name in (".docker/config.json", ".config/containers/auth.json", "run/containers/auth.json"):
        home(name)
        assert user(home) == name
    home("run/containers/auth.json", "docker.io")
    assert user(home) == ".config/containers/auth.json", "a file without the login is passed over"


def test_variables_move_the_files(home, tmp_path):
    home("x/config.json")
    assert user(home, DOCKER_CONFIG=str(tmp_path / "x")) == "x/config.json"
    home("y/containers/auth.json")
    assert user(home, XDG_CONFIG_HOME=str(tmp_path / "y")) == "y/containers/auth.json"


def test_without_variables():
    files = default_files({"HOME": "/h"})
    assert files[:2] == [f"/run/containers/{os.getuid()}/auth.json", "/h/.config/containers/auth.json"]


def test_a_file_that_is_named_counts_alone(home):
    home(".docker/config.json")
    configured, of_environment = home("configured", "docker.io"), home("environment")
    assert user(home, auth_file=configured) is None
    assert user(home, auth_file=configured, REGISTRY_AUTH_FILE=of_environment) == "environment"
    assert user(home, Auth.parse({"auth_file": configured}), REGISTRY_AUTH_FILE=of_environment) is None
    assert user(home, Auth.parse({"auth_file": of_environment}), auth_file=configured) == "environment"


def test_a_file_that_is_named_must_be_there(home, tmp_path):
    missing = str(tmp_path / "none")
    for options in ({"auth_file": missing}, {"REGISTRY_AUTH_FILE": missing}):
        with pytest.raises(ImageError, match=f"the file of logins {missing} cannot be read: No such file"):
            user(home, **options)
    with pytest.raises(ImageError, match="No such file"):
        Auth.parse({"auth_file": missing})
    with pytest.raises(ImageError, match="Is a directory"):
        Auth.parse({"auth_file": str(tmp_path)})


def test_a_file_without_end():
    with pytest.raises(ImageError, match="more than 4194304 bytes"):
        Auth.parse({"auth_file": "/dev/zero"})


def test_a_user_and_a_password_go_first(home):
    home(".docker/config.json")
    assert user(home, Auth.parse({"username": "me", "password": SECRET, "auth_file": None})) == "me"


@pytest.mark.parametrize(
    "value",
    [{}, {"username": "me"}, {"password": SECRET}, {"username": "me", "password": SECRET, "auth_file": "/x"},
     {"username": "me", "password": ""}, {"username": 1, "password": SECRET}, {"user": "me", "password": SECRET}],
)  # fmt: skip
def test_what_a_caller_may_not_give(value):
    with pytest.raises(ImageError, match="auth") as caught:
        Auth.parse(value)
    assert caught.value.field == "auth"
    assert SECRET not in str(caught.value)
    assert caught.value.value is None


def test_secrets_of_a_pod(home):
    home(".docker/config.json")
    json_form = json.dumps({"auths": {"quay.io/team": {"username": "pod", "password": SECRET}}}).encode()
    old_form = json.dumps({"https://lab:5000": {"auth": encoded("old")}}).encode()
    auth = Auth.of_secrets(
        [("a", "kubernetes.io/dockerconfigjson", json_form), ("b", "kubernetes.io/dockercfg", old_form)]
    )
    assert user(home, auth) == "pod"
    assert find_login("lab:5000", "x", auth, "", home.environ) == Login("old", SECRET, "", "the Secret b")
    assert find_login("quay.io", "other/app", auth, "", home.environ).username == ".docker/config.json"


def test_secrets_that_are_none():
    with pytest.raises(ImageError, match="the Secret a has the type 'Opaque'"):
        Auth.of_secrets([("a", "Opaque", b"{}")])
    with pytest.raises(ImageError, match="the Secret a is not JSON"):
        Auth.of_secrets([("a", "kubernetes.io/dockerconfigjson", b"x")])


def test_no_secret_is_shown():
    login = Login("me", SECRET, "identity")
    ring = keyring({"quay.io": {"auth": encoded("me")}})
    for text in (repr(login), f"{login}", repr(Auth(login, (ring,))), f"{Auth(login)!s}", repr(ring)):
        assert SECRET not in text
        assert encoded("me") not in text
        assert "identity" not in text


# ---- programs that keep logins ----


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Make a credential helper of a shell script."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(script, name="test"):
        path = tmp_path / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make


def answer(user, secret=SECRET):
    return f"echo '{json.dumps({'ServerURL': 'x', 'Username': user, 'Secret': secret})}'"


def test_a_helper_is_asked(helper, tmp_path):
    helper(f'[ "$1" = get ] && cat > {tmp_path}/server && {answer("me")}')
    login = Login("me", SECRET, "", "docker-credential-test")
    assert keyring(credHelpers={"quay.io": "test"}).find("quay.io", "a") == login
    assert (tmp_path / "server").read_text() == "quay.io"
    assert keyring(credsStore="test").find("docker.io", "a") == login
    assert (tmp_path / "server").read_text() == "https://index.docker.io/v1/"


def test_a_helper_may_keep_an_identity_token(helper):
    helper(answer("<token>", "t"))
    assert keyring(credsStore="test").find("quay.io", "a") == Login("", "", "t", "docker-credential-test")


def test_the_order_of_helpers_and_entries(helper):
    helper(answer("store"), "store")
    helper(answer("helper"), "helper")
    auths = {"quay.io": {"auth": encoded("entry")}, "docker.io": {}}
    both = keyring(auths, credHelpers={"quay.io": "helper"}, credsStore="store")
    assert found(both) == "helper"
    assert found(keyring(auths, credsStore="store")) == "entry"
    assert found(both, "docker.io") == "store"


@pytest.mark.parametrize("words", ["credentials not found in native keychain", "no credentials server URL"])
def test_a_helper_without_the_login(helper, words):
    helper(f"echo '{words}'; exit 1")
    assert keyring(credsStore="test").find("quay.io", "a") is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'the key ring is locked'; exit 3", "ended with 3: the key ring is locked"),
        (f"echo '{{{SECRET}'; exit 1", "ended with 1$"),
        ("exit 1", "ended with 1$"),
        (f"echo '{SECRET}'", "did not answer with JSON that has Username and Secret"),
        ('echo \'{"Username": "u"}\'', "did not answer with JSON"),
        ("echo []", "did not answer with JSON"),
        ("kill -9 $$", "ended with -9"),
    ],
)
def test_a_helper_that_fails(helper, script, reason):
    helper(script)
    with pytest.raises(ImageError, match=rf"^docker-credential-test, which auth\.json names, {reason}") as caught:
        keyring(credsStore="test").find("quay.io", "a")
    assert SECRET not in str(caught.value)


def test_a_helper_that_hangs(helper, monkeypatch):
    monkeypatch.setattr(credential_helper, "TIME_LIMIT", 0.2)
    helper("exec sleep 60")
    with pytest.raises(ImageError, match="did not answer within 0 seconds"):
        keyring(credsStore="test").find("quay.io", "a")


def test_a_helper_that_is_not_there():
    with pytest.raises(ImageError, match=r"docker-credential-none, which auth\.json names, cannot be run: No such"):
        keyring(credsStore="none").find("quay.io", "a")


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "/bin/sh", ".x", 1, {"a": 1}])
def test_a_helper_whose_name_is_none(name):
    with pytest.raises(ImageError, match="which is no plain name"):
        keyring(credHelpers={"quay.io": name}).find("quay.io", "a")
