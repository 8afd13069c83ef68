# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumeClaims: what may be in one, what is kept of it, and the volumes behind them."""

import os
from pathlib import Path
from typing import Any

import pytest

from manifesttools import pod
from podwright.errors import HostError, ManifestError
from podwright.manifest import claims
from podwright.manifest.normalise import normalise
from podwright.plan.objects import plan
from podwright.pods import claims as volumes
from podwright.pods.claims import ClaimStore
from podwright.pods.store import PodStore, Record


def claim(**spec: Any) -> dict[str, Any]:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": asked}


def naming(name: str, claim_name: str = "data", **context: Any) -> Record:
    source = {"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}
    manifest = pod(volumes=[source], securityContext=context)
    manifest["metadata"]["name"] = name
    return Record(f"uid-{name}", "running", normalise(manifest).pod, 1, {}, "")


@pytest.fixture
def store(tmp_path: Path) -> ClaimStore:
    return ClaimStore(str(tmp_path / "root"))


@pytest.fixture
def pods(tmp_path: Path) -> PodStore:
    return PodStore(str(tmp_path / "root"), str(tmp_path / "run"))


def record_pod(pods: PodStore, record: Record) -> None:
    with pods.locked(record.namespace, record.name, "Pod") as lock:
        lock.set(record.uid)
        os.makedirs(pods.pod_dir(record.uid))
        pods.write(record)


def test_what_is_kept() -> None:
    given = claim(accessModes=["ReadWriteMany", "ReadWriteOnce"], storageClassName="fast", volumeMode="Filesystem")
    given["spec"]["resources"]["requests"]["storage"] = "1024Mi"
    given["metadata"]["uid"] = "x"
    kept = claims.normalise(given)
    assert kept["metadata"] == {"namespace": "default", "name": "data"}
    assert kept["spec"] == {
        "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "fast",
    }
    assert claims.normalise(kept) == kept
    assert [one.partition(":")[0] for one in claims.warnings_of(given)] == [
        "metadata.uid",
        "spec.resources.requests[storage]",
        "spec.storageClassName",
    ]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (claim(accessModes=[]), "spec.accessModes: must be a list of at least one of ReadWriteOnce, "),
        (claim(accessModes=["Any"]), "spec.accessModes[0]: must be one of ReadWriteOnce, "),
        (claim(accessModes=["ReadWriteOncePod", "ReadOnlyMany"]), "spec.accessModes: must hold no other with"),
        (claim(resources={}), "spec.resources.requests[storage]: required, but missing"),
        (claim(resources={"requests": {"storage": "much"}}), "spec.resources.requests[storage]: must be a quantity"),
        (claim(resources={"requests": {"storage": 0}}), "spec.resources.requests[storage]: must be more than 0"),
        (claim(volumeMode="Block"), "spec.volumeMode: not supported by this release of podwright; remove it"),
        (claim(dataSource={"name": "x"}), "spec.dataSource: not supported by this release of podwright; remove it"),
        (claim(colour=1), "spec.colour: unknown field of a PersistentVolumeClaim's spec"),
        (claim(storageClassName="A"), "spec.storageClassName: "),
        ({**claim(), "spec": None}, "spec: must be an object with accessModes and resources.requests"),
        ({**claim(), "data": {}}, "data: unknown field of a PersistentVolumeClaim"),
    ],
)
def test_what_cannot_be_kept(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        claims.normalise(document)
    assert caught.value.message.startswith(reason)


def test_only_what_is_requested_can_change() -> None:
    kept, more = claims.normalise(claim()), claims.normalise(claim(resources={"requests": {"storage": "2Gi"}}))
    claims.check_update(kept, more)
    (change,) = plan(more, kept).changes
    assert (change.path, change.effect) == ("spec.resources", "none")
    with pytest.raises(ManifestError, match=r"^spec\.accessModes: cannot change while the volume is there; podwright"):
        claims.check_update(kept, claims.normalise(claim(accessModes=["ReadOnlyMany"])))
    claims.check_update(claims.empty("default", "data"), more)


def test_a_volume_is_made_on_first_use_and_keeps_what_is_in_it(store: ClaimStore) -> None:
    folder = Path(store.ensure("default", "data"))
    assert folder.stat().st_mode & 0o7777 == 0o777
    (folder / "file").write_text("x")
    assert store.all("") == [claims.empty("default", "data")]
    store.write(claims.normalise(claim()))
    assert store.ensure("default", "data") == str(folder)
    assert (folder / "file").read_text() == "x"
    assert store.find("", "default", "data") == claims.normalise(claim())
    assert store.find("", "other", "data") is None


def test_a_volume_in_use_stays(store: ClaimStore, pods: PodStore) -> None:
    folder = Path(store.ensure("default", "data"))
    record_pod(pods, naming("web"))
    assert list(volumes.users_of(pods, "default", "data")) == ["pod web"]
    assert list(volumes.users_of(pods, "default", "other")) == []
    with pytest.raises(HostError, match="persistentvolumeclaim data is used by pod web; delete that first"):
        store.remove("default", "data", pods)
    store.ensure("default", "other")
    os.mkdir(folder.parents[1] / ".gone-1")
    store.remove("default", "other", pods)
    store.remove("default", "other", pods)
    assert sorted(os.listdir(folder.parents[1])) == [".lock", "default_data"]


def test_a_volume_for_one_pod(store: ClaimStore, pods: PodStore) -> None:
    store.write(claims.normalise(claim(accessModes=["ReadWriteOncePod"])))
    record_pod(pods, naming("web"))
    volumes.check(naming("web"), store, pods)
    with pytest.raises(HostError) as caught:
        volumes.check(naming("other"), store, pods)
    field = "spec.volumes[v].persistentVolumeClaim.claimName"
    assert caught.value.message.startswith(f"{field}: data has the access mode ReadWriteOncePod, and pod web uses it")


def test_a_volume_is_given_to_the_pods_group(store: ClaimStore) -> None:
    group = os.getgid()
    folder = Path(store.ensure("default", "data"))
    (folder / "file").touch(0o600)
    volumes.prepare(naming("web", fsGroup=group, fsGroupChangePolicy="OnRootMismatch"), store)
    assert (folder.stat().st_mode & 0o7777, (folder / "file").stat().st_mode & 0o777) == (0o2777, 0o660)
    (folder / "file").chmod(0o600)
    volumes.prepare(naming("web", fsGroup=group, fsGroupChangePolicy="OnRootMismatch"), store)
    assert (folder / "file").stat().st_mode & 0o777 == 0o600
    volumes.prepare(naming("web", fsGroup=group), store)
    assert (folder / "file").stat().st_mode & 0o777 == 0o660
