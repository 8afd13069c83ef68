# SPDX-License-Identifier: Apache-2.0
"""Bundles, and an OCI runtime whose podinit is tests/fake_podinit.py."""

import json
import sys
from pathlib import Path

FAKE = Path(__file__).with_name("fake_podinit.py")


def configuration(*args, **process):
    """The least of a config.json that runs."""
    base = {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin:/usr/bin"], "args": list(args)}
    return {
        "ociVersion": "1.2.0",
        "process": base | process,
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]},
    }


def bundle(folder, config):
    """Write a bundle and return its path."""
    (folder / "rootfs").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def fake_podinit(folder):
    """Return the path of a program that behaves as podinit does towards its caller."""
    path = folder / "podinit"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n')
    path.chmod(0o755)
    return str(path)
