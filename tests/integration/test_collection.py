# SPDX-License-Identifier: Apache-2.0
"""The collection as Galaxy would get it: what is in the artifact, and Ansible's own sanity tests of that."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# ansible-test makes a virtual environment for each of its tests; here they outlive a run, and touch nobody's home
HOME = ROOT / ".cache" / "ansible-test"
PYTHONS = [f"3.{minor}" for minor in range(8, 14)]  # that ansible-core 2.19 manages

# Ansible-test takes pip from a site of its own to bootstrap a virtual environment. Python brings pip along.
GET_PIP = """
import subprocess, sys
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *arguments])
"""


def run(*command, cwd, **environment):
    return subprocess.run(
        command,
        cwd=cwd,
        env={
            **os.environ,
            "HOME": str(HOME),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifact")
    HOME.mkdir(parents=True, exist_ok=True)
    build = run("ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(folder), cwd=folder)
    assert build.returncode == 0, build.stdout
    (path,) = folder.glob("podwright-runtime-*.tar.gz")
    return path


def test_artifact(artifact):
    with tarfile.open(artifact) as tar:
        names = {member.name for member in tar if member.isfile()}
    top = {
        "CHANGELOG.md",
        "FILES.json",
        "LICENSES",
        "MANIFEST.json",
        "README.md",
        "changelogs",
        "meta",
        "plugins",
        "roles",
    }
    assert {name.split("/")[0] for name in names} == top
    assert {
        "LICENSES/Apache-2.0.txt",
        "LICENSES/GPL-3.0-or-later.txt",
        "meta/runtime.yml",
        "plugins/action/container.py",
        "plugins/action/image.py",
        "plugins/action/image_info.py",
        "plugins/action/pod.py",
        "plugins/action/prune.py",
        "plugins/modules/container.py",
        "plugins/modules/image.py",
        "plugins/modules/image_info.py",
        "plugins/modules/pod.py",
        "plugins/modules/prune.py",
        "plugins/plugin_utils/_fast_lane.py",
        "roles/host/meta/argument_specs.yml",
        "roles/host/tasks/main.yml",
    } <= names
    assert not [name for name in names if "/molecule/" in name or name.endswith((".pyc", ".so", "podinit"))]


@pytest.fixture(scope="module")
def unpacked(artifact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sanity") / "ansible_collections" / "podwright" / "runtime"
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-xzf", artifact], cwd=folder, check=True)
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in pip_versions():
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    return folder


def pip_versions():
    """Return the versions of pip that this ansible-test bootstraps with."""
    script = (
        "from ansible_test._internal.python_requirements import get_venv_packages\n"
        "from ansible_test._internal.host_configs import NativePythonConfig\n"
        f"for version in {PYTHONS}: print(get_venv_packages(NativePythonConfig(version=version))['pip'])\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return set(said.stdout.split())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sanity(unpacked):
    version = ".".join(map(str, sys.version_info[:2]))
    sanity = run("ansible-test", "sanity", "--python", version, "--skip-test", "pslint", cwd=unpacked)
    assert sanity.returncode == 0, sanity.stdout
    assert 'Running sanity test "validate-modules"' in sanity.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_modules_import_on_every_python_that_is_here(unpacked):
    """What runs on managed hosts must load on the Pythons that Ansible manages, so that it can say what it lacks."""
    checked = []
    for version in PYTHONS:
        here = interpreter(version)
        if here is None:
            continue
        sanity = run(
            "ansible-test",
            "sanity",
            *("--test", "import", "--test", "compile", "--python", version),
            cwd=unpacked,
            PATH=f"{here}:{BIN}:{os.environ['PATH']}",
        )
        assert sanity.returncode == 0, sanity.stdout
        assert f'Running sanity test "import" on Python {version}' in sanity.stdout
        checked.append(version)
    assert checked


def interpreter(version):
    """Return the folder of the real Python of that version, or None."""
    script = "import os, sys; print(os.path.dirname(os.path.realpath(sys.executable)))"
    for command in (f"python{version}", *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))):
        try:
            said = subprocess.run([command, "-c", script], capture_output=True, text=True)
        except FileNotFoundError:
            continue
        if said.returncode == 0:
            return said.stdout.strip()
    return None
