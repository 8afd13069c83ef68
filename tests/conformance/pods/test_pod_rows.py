# SPDX-License-Identifier: Apache-2.0
"""Pods do what Kubernetes says, field by field: see rows/ and docs/pod-conformance.md."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pod_fields import enforced
from pod_rows import SHELL, WORDS, Row, rows
from pod_run import Place
from pod_table import DOCUMENT, PASSES, document

from hosttools import Host
from imagetools import busybox_layer, make_layout
from secure_registry import PASSWORD, USER, SecureRegistry

ROWS = rows()
WORDS_CONFIG = {
    "Entrypoint": ["/bin/echo", "entrypoint"],
    "Cmd": ["argument"],
    "Env": ["PATH=/bin", "OF_IMAGE=image"],
    "WorkingDir": "/var",
    "StopSignal": "SIGUSR1",
}


@pytest.fixture(scope="module")
def place(module_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A podwright with the rows' images, a profile of system calls, and a registry that wants a password."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path_factory.mktemp("rows")
    layers = [busybox_layer()]
    shell = make_layout(folder / "shell", layers, {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]})
    words = make_layout(folder / "words", layers, WORDS_CONFIG)
    module_host.run("import", f"oci:{shell}", SHELL)
    module_host.run("import", f"oci:{shell}", SHELL.replace(":1", ":latest"))
    module_host.run("import", f"oci:{words}", WORDS)
    _add_profile(module_host)
    with SecureRegistry(users=True) as registry:
        image = f"docker://{registry.address}/private/shell:1"
        login = f"--dest-creds={USER}:{PASSWORD}"
        copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", login, f"oci:{shell}:latest", image]
        subprocess.run(copy, check=True)
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        login = base64.b64encode(json.dumps({"auths": {registry.address: {"auth": auth}}}).encode()).decode()
        (folder / "host").mkdir()
        yield Place(module_host, folder / "host", {"REGISTRY": registry.address, "LOGIN": login})


def _add_profile(host: Host) -> None:
    """Write a profile that forbids one system call: mkdir."""
    profile = Path(host.config.root) / "seccomp/no-mkdir.json"
    profile.parent.mkdir(parents=True, exist_ok=True)
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(place: Place, row: Row) -> None:
    place.run(row)


def test_every_field_has_a_row_and_every_row_a_field() -> None:
    covered = {field for row in ROWS for field in row.fields}
    assert set(enforced()) - covered == set(), "fields without a row: write one, or refuse them in manifest/unbuilt.py"
    assert covered - set(enforced()) == set(), "rows of fields that are not built"


def test_the_rows_are_well_formed() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    for row in ROWS:
        assert row.fields, f"{row.name} speaks of no field"
        assert row.data.get("expect") or row.data.get("delete"), f"{row.name} expects nothing"
        assert row.source.split()[0].endswith((".go", "/")), f"{row.name} names no source"
        assert ("edit" in row.data or "edit_objects" in row.data) == ("plan" in row.data and "after" in row.data)


def test_the_page_is_current() -> None:
    page = document(ROWS, dict.fromkeys((row.name for row in ROWS), PASSES))
    assert DOCUMENT.read_text() == page, "write it anew: make conformance"
