# SPDX-License-Identifier: Apache-2.0
"""Digests of what pods have from ConfigMaps and Secrets: what changes them, and what they do not tell."""

import hashlib
import os
import stat

import pytest

from podwright.errors import ManifestError
from podwright.manifest.objects import normalise
from podwright.pods.objects import ObjectStore
from podwright.pods.references import digests
from podwright.pods.sources import Beside

MAP, SECRET = "configMapKeyRef", "secretKeyRef"
ENV = "spec.containers[app].env[A].valueFrom"


def of(kind, name, **data):
    field = "data" if kind == "ConfigMap" else "stringData"
    return normalise({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: data})


def pod(source=None, env_from=(), **fields):
    env = [{"name": "B", "value": "b"}, *([{"name": "A", "valueFrom": source}] if source else [])]
    container = {"name": "app", "env": env, "envFrom": list(env_from)}
    return {"kind": "Pod", "metadata": {"namespace": "default"}, "spec": {"containers": [container]}, **fields}


@pytest.fixture
def store(tmp_path):
    return ObjectStore(str(tmp_path))


def test_only_the_named_key_counts(store):
    one = pod({MAP: {"name": "c", "key": "k"}})
    first = digests(one, Beside([of("ConfigMap", "c", k="v")], store))
    assert list(first) == [f"{ENV}.{MAP}"]
    assert first[f"{ENV}.{MAP}"] == "sha256:" + hashlib.sha256(b'"v"').hexdigest()
    assert digests(one, Beside([of("ConfigMap", "c", k="v", other="x")], store)) == first
    assert digests(one, Beside([of("ConfigMap", "c", k="w")], store)) != first


def test_of_env_from_everything_counts(store):
    many = pod(env_from=[{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s", "optional": True}}])
    first = digests(many, Beside([of("ConfigMap", "c", k="v")], store))
    paths = ["spec.containers[app].envFrom[0].configMapRef", "spec.containers[app].envFrom[1].secretRef"]
    assert (list(first), first[paths[1]]) == (paths, "")
    assert digests(many, Beside([of("ConfigMap", "c", k="v", other="x")], store))[paths[0]] != first[paths[0]]
    assert digests(many, Beside([of("ConfigMap", "c", k="v"), of("Secret", "s")], store))[paths[1]] != ""


def test_a_secrets_digest_needs_the_hosts_key(store, tmp_path):
    one = pod({SECRET: {"name": "s", "key": "k"}})
    found = digests(one, Beside([of("Secret", "s", k="v")], store))[f"{ENV}.{SECRET}"]
    assert found.startswith("keyed:")
    assert hashlib.blake2b(b'"v"', digest_size=32).hexdigest() not in found
    key = tmp_path / "secrets" / ".key"
    assert (key.stat().st_size, stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)
    assert digests(one, Beside([of("Secret", "s", k="v")], store))[f"{ENV}.{SECRET}"] == found
    key.write_bytes(os.urandom(32))
    assert digests(one, Beside([of("Secret", "s", k="v")], store))[f"{ENV}.{SECRET}"] != found
    assert store.all("Secret") == []


def test_what_is_not_there_is_an_error_unless_it_is_optional_or_nothing_shall_run(store):
    needed = {MAP: {"name": "c", "key": "k"}}
    with pytest.raises(ManifestError, match='configmap "c" not found'):
        digests(pod(needed), store)
    assert digests(pod({MAP: {"name": "c", "key": "k", "optional": True}}), store) == {f"{ENV}.{MAP}": ""}
    assert digests(pod(needed, kind="Container", state="stopped"), store) == {}
    assert digests(pod({"fieldRef": {"fieldPath": "metadata.name"}}), store) == {}
