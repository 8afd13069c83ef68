# SPDX-License-Identifier: Apache-2.0
"""What of the image store this host needs: the images of its pods and containers, and the layers they lie on.

Containers of ``podwright-oci`` count where their state is beside that of podwright's own. A layer also counts when a
mount lies on it that this process sees.
"""

import os
import re
from collections.abc import Iterator

from podwright.config import Config
from podwright.containers import scratch, state
from podwright.errors import ContainerError, NotFound
from podwright.files import read_json, read_small
from podwright.images import reference as references
from podwright.images.upkeep.used import Used
from podwright.pods.needed import needed
from podwright.pods.store import PodStore, Record


def in_use(config: Config) -> Used:
    """Look at what this host's records say. Where it must stay true, hold the gate (``podwright.images.gate``).

    Raises HostError for a pod whose record is damaged: nobody knows what that one needs.
    """
    used = Used({}, {})
    for user, image, paths in (*_pods(config), *_runs(config), *_containers(config), *_mounts(config)):
        if image:
            _add(used.images, image, user)
        for diff_id in _layers(config.root, paths):
            _add(used.layers, diff_id, user)
    return used


_Use = tuple[str, str, list[str]]  # who, a full reference or "", directories


def _pods(config: Config) -> Iterator[_Use]:
    """Yield what each pod, and each container alone, names, and what their plans have as lower directories."""
    store = PodStore(config.root, config.run)
    for uid in _names(f"{config.root}/pods"):
        record = store.read(uid)
        user = f"{record.kind.lower()} {record.namespace}/{record.name}" if record else f"pod {uid}"
        for image in _references(record) if record else ():
            yield user, image, []
        yield user, "", _image_layers(f"{store.pod_dir(uid)}/sandbox.json")
        for name in _names(f"{store.pod_dir(uid)}/containers"):
            yield user, "", _strings(f"{store.pod_dir(uid)}/containers/{name}/plan.json", "lower")


def _references(record: Record) -> Iterator[str]:
    """Yield the images of a manifest: a pod that is stopped, or has yet to be made, will want them too."""
    for one in needed(record.pod):
        yield str(references.parse(one.reference))


def _runs(config: Config) -> Iterator[_Use]:
    """Yield what each ``podwright run`` stands on."""
    for path in scratch.live(f"{config.root}/run", f"{config.run}/oci"):
        image = "".join(_strings(f"{path}/{scratch.GROUND}", "image"))
        yield f"run {os.path.basename(path)}", image, _strings(f"{path}/{scratch.GROUND}", "lower")


def _containers(config: Config) -> Iterator[_Use]:
    """Yield the root directory of each container that was made from a bundle."""
    for name in state.ids(f"{config.run}/oci"):
        try:
            yield f"OCI container {name}", "", [state.read(f"{config.run}/oci/{name}", name).rootfs]
        except (ContainerError, NotFound):  # half made, or gone: nothing of it can run any more
            continue


def _mounts(config: Config) -> Iterator[_Use]:
    """Yield the layers that the description of a mount names, its source or the lower directories of an overlay."""
    layer = re.compile(re.escape(os.path.realpath(f"{config.root}/layers")) + "/[0-9a-f]{64}")
    for line in read_small("/proc/self/mountinfo").decode(errors="surrogateescape").splitlines():
        yield f"mount {line.split()[4]}", "", layer.findall(line)


def _layers(root: str, paths: list[str]) -> Iterator[str]:
    """Yield the diff-ids of the layers that the paths lead to."""
    layers = os.path.realpath(f"{root}/layers") + "/"
    for path in paths:
        real = os.path.realpath(path)
        if real.startswith(layers):
            yield f"sha256:{real.removeprefix(layers).partition('/')[0]}"


def _add(users: dict[str, list[str]], key: str, user: str) -> None:
    those = users.setdefault(key, [])
    if user not in those:
        those.append(user)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _image_layers(path: str) -> list[str]:
    """Return the directories under the volumes that are images."""
    try:
        value = read_json(path)
    except ValueError:
        return []
    rows = value.get("imageVolumes", []) if isinstance(value, dict) else []
    return [layer for _name, layers in rows for layer in layers]


def _strings(path: str, key: str) -> list[str]:
    """Return the string, or the strings, under a key of a JSON file; none when it was never written to its end."""
    try:
        value = read_json(path)
    except (ValueError, NotADirectoryError):
        return []
    found = value.get(key, []) if isinstance(value, dict) else []
    return [item for item in ([found] if isinstance(found, str) else found) if isinstance(item, str)]
