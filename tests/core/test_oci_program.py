# SPDX-License-Identifier: Apache-2.0
"""The launcher podwright-oci, and the file of modules that it loads."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import podwright

SOURCE = Path(podwright.__file__).parent
LAUNCHER = SOURCE.parent / "bin" / "podwright-oci"


@pytest.fixture
def venv(tmp_path):
    """What the launcher looks at: bin/python3 and the package, in a folder of its own."""
    (tmp_path / "venv/bin").mkdir(parents=True)
    # the real interpreter, for one of a virtual environment looks for its home beside itself
    (tmp_path / "venv/bin/python3").symlink_to(Path(sys.executable).resolve())
    shutil.copy(LAUNCHER, tmp_path / "venv/bin")
    (tmp_path / "venv/lib/python3.99/site-packages").mkdir(parents=True)
    return tmp_path / "venv"


def install(folder):
    shutil.copytree(SOURCE, folder / "podwright", ignore=shutil.ignore_patterns("__pycache__", "_bin"))
    return folder / "podwright"


def version(launcher, **options):
    done = subprocess.run([launcher, "--version"], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


VERSION = f"podwright-oci version {podwright.__version__}"


def test_it_finds_the_package_in_its_virtual_environment(venv):
    install(venv / "lib/python3.99/site-packages")
    assert version(venv / "bin/podwright-oci") == VERSION


def test_it_finds_a_checkout(venv, tmp_path):
    install(tmp_path / "runtime_core")
    venv.rename(tmp_path / ".venv")
    assert version(tmp_path / ".venv/bin/podwright-oci") == VERSION


def test_elsewhere_the_interpreter_finds_it(tmp_path):
    """As for a checkout that is installed, editable, in an environment of its own."""
    (tmp_path / "env/bin").mkdir(parents=True)
    (tmp_path / "env/bin/podwright-oci").symlink_to(LAUNCHER)  # beside which there is no python3
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    assert version(tmp_path / "env/bin/podwright-oci", env=environment) == VERSION


def test_it_works_through_links_and_from_anywhere(venv, tmp_path):
    install(venv / "lib/python3.99/site-packages")
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/first").symlink_to("../venv/bin/podwright-oci")
    (tmp_path / "usr/second").symlink_to(tmp_path / "usr/first")
    assert version(tmp_path / "usr/second", cwd="/") == VERSION
    assert version("podwright-oci", env={"PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}) == VERSION
    assert version("./podwright-oci", cwd=venv / "bin") == VERSION


def test_the_callers_directory_and_environment_give_it_no_modules(venv, tmp_path):
    install(venv / "lib/python3.99/site-packages")
    (tmp_path / "podwright").mkdir()
    (tmp_path / "podwright/__init__.py").write_text("raise SystemExit(9)")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/none"}
    assert version(venv / "bin/podwright-oci", cwd=tmp_path, env=environment) == VERSION


def modules(package):
    return list((package / "cli/__pycache__").glob("podwright-oci.*.modules"))


def test_modules_are_kept_and_a_changed_one_is_loaded_anew(venv):
    package = install(venv / "lib/python3.99/site-packages")
    launcher = venv / "bin/podwright-oci"
    assert version(launcher) == VERSION
    [file] = modules(package)
    before = file.stat()
    assert version(launcher) == VERSION
    assert file.stat().st_ino == before.st_ino, "nothing has changed, so it is not written again"
    source = package / "cli/oci.py"
    source.write_text(source.read_text().replace('PROGRAM = "podwright-oci"', 'PROGRAM = "another"'))
    assert version(launcher).startswith("another version")
    assert file.stat().st_ino != before.st_ino
    assert version(launcher).startswith("another version")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"i\x01\x00\x00\x00", b"(\x02\x00\x00\x00u\x01\x00\x00\x00xN"])
def test_a_damaged_file_of_modules_is_made_anew(venv, content):
    package = install(venv / "lib/python3.99/site-packages")
    launcher = venv / "bin/podwright-oci"
    version(launcher)
    [file] = modules(package)
    good = file.stat().st_size
    file.write_bytes(content)
    assert version(launcher) == VERSION
    assert file.stat().st_size == good
    assert [path.name for path in file.parent.iterdir() if path.suffix not in (".pyc", ".modules")] == []


def test_each_verb_has_a_file_with_its_own_modules(venv):
    package = install(venv / "lib/python3.99/site-packages")
    launcher = venv / "bin/podwright-oci"
    names = []
    for verb in ("list", "features", "list"):
        subprocess.run([launcher, "--root", venv, verb], check=True, capture_output=True)
        names.append(sorted(path.name.split(".")[1] for path in modules(package)))
    assert names == [["list"], ["features", "list"], ["features", "list"]]


def test_modules_that_a_later_command_needs_join_the_others(venv):
    package = install(venv / "lib/python3.99/site-packages")
    launcher = venv / "bin/podwright-oci"
    subprocess.run([launcher, "list", "--help"], check=True, capture_output=True)
    [file] = modules(package)
    small = file.stat().st_size
    subprocess.run([launcher, "--root", venv, "list"], check=True, capture_output=True)
    assert file.stat().st_size > small
    before = file.stat()
    subprocess.run([launcher, "list", "--help"], check=True, capture_output=True)
    assert file.stat().st_ino == before.st_ino


def test_a_traceback_tells_the_source(venv):
    """Compiled code in one file keeps its file names and lines."""
    package = install(venv / "lib/python3.99/site-packages")
    launcher = venv / "bin/podwright-oci"
    version(launcher)
    source = package / "cli/oci.py"
    source.write_text(source.read_text().replace("def _help() -> str:", "def _help() -> str:\n    raise KeyError('x')"))
    for _ in range(2):
        done = subprocess.run([launcher, "--help"], capture_output=True, text=True)
        assert '/podwright/cli/oci.py", line' in done.stderr
        assert "raise KeyError('x')" in done.stderr
        subprocess.run([launcher, "--version"], capture_output=True)
