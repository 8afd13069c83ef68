#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make an OCI image layout (opencontainers/image-spec 1.1, image-layout.md) of one static binary.

    demo_image.py BINARY LAYOUT [REFERENCE]

The same binary gives the same digests on every machine: no times, no owners and no compression go in.
"""

import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from pathlib import Path
from typing import Any

NOBODY = "65534:65534"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def layer(binary: bytes, name: str) -> bytes:
    """Return a tar that holds ``bin/`` and the binary in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo("bin")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        file = tarfile.TarInfo(f"bin/{name}")
        file.size, file.mode = len(binary), 0o755
        tar.addfile(file, io.BytesIO(binary))
    return buffer.getvalue()


def make_layout(binary: Path, layout: Path, reference: str) -> str:
    """Write the layout and return the digest of its manifest."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(media_type: str, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    archive = blob(LAYER_TYPE, layer(binary.read_bytes(), binary.name))
    machine = platform.machine()
    system = {"architecture": ARCHITECTURES.get(machine, machine), "os": "linux"}
    config = {
        **system,
        "config": {"User": NOBODY, "Env": ["PATH=/bin"], "Entrypoint": [f"/bin/{binary.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [archive["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blob(CONFIG_TYPE, _json(config)),
        "layers": [archive],
    }
    entry = blob(MANIFEST_TYPE, _json(manifest))
    named = {**entry, "platform": system, "annotations": {"org.opencontainers.image.ref.name": reference}}
    (layout / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [named]}))
    (layout / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(entry["digest"])


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit((__doc__ or "").strip())
    print(make_layout(Path(sys.argv[1]), Path(os.path.abspath(sys.argv[2])), (sys.argv[3:] or ["latest"])[0]))
