# SPDX-License-Identifier: Apache-2.0
"""Plays for tests: tasks on the local machine, and what became of each."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

BIN = Path(sys.executable).parent
CORE = str(BIN / "podwright")
NO_MODULE = {"ansible_python_interpreter": "/nonexistent/python"}
"""With this only the fast lane can work."""


class Play(NamedTuple):
    """A play that was played."""

    text: str
    """What ansible-playbook printed."""
    results: dict[str, Any]
    """The result of each task, by its name."""

    @property
    def changed(self) -> int:
        """The number of changes in the recap."""
        return int(re.findall(r"^local .*\bchanged=(\d+) ", self.text, re.MULTILINE)[-1])


def play(
    folder: Path,
    tasks: list[dict[str, Any]],
    environment: dict[str, str] | None = None,
    options: tuple[str, ...] = (),
    **host: Any,
) -> Play:
    """Play tasks on the local machine. ``host`` are the host's variables, ``options`` those of ansible-playbook."""
    results = folder / "results.json"
    save = {
        "ansible.builtin.copy": {
            "content": "{{ {" + ", ".join(f"'{task['name']}': {task['register']}" for task in tasks) + "} | to_json }}",
            "dest": str(results),
            "mode": "0600",
        },
        "check_mode": False,
        "changed_when": False,
        "diff": False,
        "no_log": True,
        "vars": {"ansible_python_interpreter": sys.executable},
    }
    (folder / "play.yml").write_text(
        yaml.safe_dump([{"hosts": "local", "gather_facts": False, "tasks": [*tasks, save]}])
    )
    inventory = {"all": {"hosts": {"local": {"ansible_connection": "local", **host}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (folder / "ansible.cfg").write_text("[defaults]\nstdout_callback = default\n")
    run = subprocess.run(
        [BIN / "ansible-playbook", "-i", "hosts.yml", *options, "play.yml"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ANSIBLE_LOCAL_TEMP": f"{folder}/local",
            "ANSIBLE_REMOTE_TEMP": f"{folder}/remote",
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return Play(run.stdout + run.stderr, json.loads(results.read_text()))


def task(
    name: str, options: dict[str, Any], keywords: dict[str, Any] | None = None, *, module: str = "pod"
) -> dict[str, Any]:
    """Return a task of a module of the collection, whose failure ends nothing."""
    return {
        "name": name,
        f"podwright.runtime.{module}": options,
        "register": name.replace("-", "_"),
        "ignore_errors": True,
        **(keywords or {}),
    }


def own(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what Ansible itself adds to it."""
    added = ("invocation", "stdout_lines", "stderr_lines", "warnings", "ansible_facts", "exception")
    return {key: value for key, value in result.items() if key not in added} | {"failed": result.get("failed", False)}
