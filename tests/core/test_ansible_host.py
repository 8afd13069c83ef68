# SPDX-License-Identifier: Apache-2.0
"""The parts of the role host that need no privileges: its configuration file."""

import os
import sys
import tomllib

import pytest

from ansibletools import play
from podwright.config import Config, ExternalRuntime, RegistryHost, load


def write(folder, config):
    """Let the role write a configuration file, with the core of this checkout to check it."""
    role = {
        "ansible.builtin.include_role": {"name": "podwright.runtime.host", "tasks_from": "config"},
        "vars": {
            "podwright_host_config": config,
            "podwright_host_config_path": f"{folder}/etc/podwright.toml",
            "podwright_host_venv": sys.prefix,
        },
        "name": "role",
        "register": "role",
    }
    return play(folder, [role], ansible_python_interpreter=sys.executable)


@pytest.mark.parametrize(
    "wrong", [{"podwright_host_venv": ""}, {"podwright_host_venv": "podwright"}, {"podwright_host_source": ""}]
)
def test_variables_of_no_sense_are_refused(tmp_path, wrong):
    """An empty virtual environment would be the system's Python, into which pip would install by force."""
    role = {
        "ansible.builtin.include_role": {"name": "podwright.runtime.host", "tasks_from": "core"},
        "vars": {"podwright_host_source": "podwright==0", "podwright_host_venv": f"{tmp_path}/venv", **wrong},
        "name": "role",
        "register": "role",
    }
    with pytest.raises(AssertionError, match="the first must not be empty, and the second must be an absolute path"):
        play(tmp_path, [role], options=("--check",), ansible_python_interpreter=sys.executable)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the file belongs to root")


@needs_root
def test_every_key_there_is(tmp_path):
    config = Config(
        root='/a "b" \\ ä', network_subnet="10.1.0.0/24", pods_pids_limit=9, registries_insecure=("a:1", "b")
    )
    sections: dict = {}
    for key, value in config._asdict().items():
        section, _underscore, name = key.partition("_")
        if key in ("runtimes", "registries_hosts"):
            continue  # sections with names of their own, see test_sections_with_names
        if name:
            sections.setdefault(section, {})[name] = list(value) if isinstance(value, tuple) else value
        else:
            sections[key] = value
    assert write(tmp_path, sections).changed == 2  # the folder and the file
    path = tmp_path / "etc" / "podwright.toml"
    assert tomllib.loads(path.read_text()) == sections
    assert load(str(path)) == config
    assert path.stat().st_mode & 0o777 == 0o644
    assert write(tmp_path, sections).changed == 0


@needs_root
def test_sections_with_names(tmp_path):
    crun = ExternalRuntime("crun", "/usr/bin/crun", ("--debug",))
    hub = RegistryHost("docker.io", mirrors=("mirror.lan:5000/hub",))
    lab = RegistryHost("[::1]:5000", ca="/etc/lab ä.pem")
    sections = {
        "runtimes": {"crun": {"path": crun.path, "options": ["--debug"]}},
        "registries": {
            "insecure": ["a:1"],
            "hosts": {"docker.io": {"mirrors": ["mirror.lan:5000/hub"]}, "[::1]:5000": {"ca": "/etc/lab ä.pem"}},
        },
        "root": "/a",
    }
    assert write(tmp_path, sections).changed == 2
    path = str(tmp_path / "etc" / "podwright.toml")
    wanted = Config(root="/a", runtimes=(crun,), registries_insecure=("a:1",), registries_hosts=(lab, hub))
    assert load(path) == wanted
    assert write(tmp_path, sections).changed == 0


@needs_root
def test_no_configuration_leaves_the_file_alone(tmp_path):
    assert write(tmp_path, {}).changed == 0
    assert not (tmp_path / "etc").exists()


@needs_root
def test_a_wrong_configuration_is_not_put_in_place(tmp_path):
    write(tmp_path, {"root": "/a"})
    with pytest.raises(AssertionError, match=r"unknown key network\.brigde"):
        write(tmp_path, {"root": "/b", "network": {"brigde": "x"}})
    assert load(str(tmp_path / "etc" / "podwright.toml")).root == "/a"
