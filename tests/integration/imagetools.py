# SPDX-License-Identifier: Apache-2.0
"""Images for tests: OCI layouts in pure Python, and pushing them to a registry.

layout = make_layout(tmp_path / "image", [busybox_layer()], {"Cmd": ["sh"]})
push(layout, "127.0.0.1:5000/busybox:1")
"""

import gzip
import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

Entry = tuple[tarfile.TarInfo, bytes]


KINDS = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def entry(
    name: str, data: bytes | str = b"", *, kind: str = "file", symlink: str = "", hardlink: str = "", **fields: Any
) -> Entry:
    """One entry of a layer: a file with ``data``, a link to ``symlink`` or ``hardlink``, or another ``kind``.

    ``fields`` are tarfile.TarInfo's (mode, uid, gid, mtime, devmajor, devminor, pax_headers, …).
    """
    kind = "symlink" if symlink else "hardlink" if hardlink else kind
    info = tarfile.TarInfo(name)
    info.type = KINDS[kind]
    info.linkname = symlink or hardlink
    info.mode = {"dir": 0o755, "symlink": 0o777}.get(kind, 0o644)
    info.mtime = 1_600_000_000
    content = data.encode() if isinstance(data, str) else data
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def make_tar(entries: Sequence[Entry | dict[str, Any]], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002 -- tarfile's word
    """The tar of a layer, with the entries (or the dictionaries of their arguments) as given, however hostile."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, errors="surrogateescape") as tar:
        for item in entries:
            info, data = entry(**item) if isinstance(item, dict) else item
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def busybox_layer() -> bytes:
    """A layer with Debian's static busybox as /bin/busybox, a link for each applet, and the usual empty folders."""
    busybox = Path("/bin/busybox").read_bytes()
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    entries = [entry(name, kind="dir") for name in ("bin", "etc", "proc", "sys", "dev", "root", "var", "usr")]
    entries += [entry("tmp", kind="dir", mode=0o1777), entry("bin/busybox", busybox, mode=0o755)]
    entries += [entry(f"bin/{name}", symlink="busybox") for name in applets if name != "busybox"]
    entries += [
        entry("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        entry("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ]
    return make_tar(entries)


def make_busybox_image(path: Path | str, config: dict[str, Any] | None = None, *, tag: str = "latest") -> str:
    """Make an OCI layout of an image with busybox in it; its command is a shell."""
    return make_layout(path, [busybox_layer()], {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]} | (config or {}), tag=tag)


def make_layout(
    path: Path | str,
    layers: Sequence[bytes | Sequence[Entry | dict[str, Any]]],
    config: dict[str, Any] | None = None,
    *,
    tag: str = "latest",
    compress: str = "gzip",
    architecture: str = ARCHITECTURE,
) -> str:
    """Make an OCI image layout of one image and return its path.

    A layer is a tar's bytes or a list of ``entry()`` or of dictionaries of its arguments; ``config`` is the image's
    execution configuration (Env, Cmd, WorkingDir, …); ``compress`` is gzip, zstd or none.
    """
    layout = Path(path)
    tars = [layer if isinstance(layer, bytes) else make_tar(layer) for layer in layers]
    (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    descriptors = [put_blob(layout, compressed(tar, compress), LAYER_TYPE + SUFFIX[compress]) for tar in tars]
    image = {
        "created": "2026-01-02T03:04:05Z",
        "architecture": architecture,
        "os": "linux",
        "config": config or {},
        "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        "history": [{"created_by": "tests"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": put_blob(layout, json.dumps(image).encode(), CONFIG_TYPE),
        "layers": descriptors,
    }
    top = put_blob(layout, json.dumps(manifest).encode(), MANIFEST_TYPE)
    top["annotations"] = {"org.opencontainers.image.ref.name": tag}
    write_index(layout, [top])
    return str(layout)


SUFFIX = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}


def compressed(tar: bytes, how: str) -> bytes:
    """A layer's blob."""
    if how == "gzip":
        return gzip.compress(tar, 1, mtime=0)
    if how == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress(tar)
    return tar


def put_blob(layout: Path, data: bytes, media_type: str) -> dict[str, Any]:
    """Store a blob in a layout and return its descriptor."""
    (layout / "blobs" / "sha256" / digest(data).removeprefix("sha256:")).write_bytes(data)
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def write_index(layout: Path, manifests: list[dict[str, Any]]) -> None:
    """Make the layout name these manifests."""
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
    (layout / "index.json").write_text(json.dumps(index))


def digest(data: bytes) -> str:
    """The sha256 digest, as OCI writes it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_index(path: Path | str, images: Sequence[tuple[str, str]], *, tag: str = "latest") -> str:
    """Make an OCI layout of one multi-platform image: for each (architecture, file content) one manifest."""
    layout = Path(path)
    manifests = []
    for architecture, content in images:
        make_layout(layout, [[entry("platform", content)]], architecture=architecture)
        top = json.loads((layout / "index.json").read_text())["manifests"][0]
        del top["annotations"]
        manifests.append(top | {"platform": {"os": "linux", "architecture": architecture}})
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
    top = put_blob(layout, json.dumps(index).encode(), INDEX_TYPE)
    write_index(layout, [top | {"annotations": {"org.opencontainers.image.ref.name": tag}}])
    return str(layout)


def push(layout: Path | str, reference: str, *, tag: str = "latest", docker_format: bool = False) -> None:
    """Push a layout's image, all its platforms, to a plain-HTTP registry; ``docker_format`` makes it schema 2."""
    command = ["skopeo", "copy", "--all", "--quiet", "--dest-tls-verify=false"]
    command += ["--format", "v2s2"] if docker_format else []
    subprocess.run([*command, f"oci:{layout}:{tag}", f"docker://{reference}"], check=True)
