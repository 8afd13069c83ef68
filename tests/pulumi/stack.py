# SPDX-License-Identifier: Apache-2.0
"""A Pulumi stack of a test's own: project, state and settings in one folder, no service, no account."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TIMEOUT = 240.0
"""Seconds. A command takes four; one that waits for a pod's processes to end would wait for ever."""

PROGRAM = """
import pulumi
from pulumi_podwright import Pod

web = Pod("web", manifest="pod.yaml", wait_timeout=60)
pulumi.export("uid", web.uid)
pulumi.export("phase", web.phase)
pulumi.export("pod_ip", web.pod_ip)
"""


class Outcome(NamedTuple):
    """What one command of the engine did."""

    code: int
    text: str
    """All that it printed."""
    operations: dict[str, list[str]]
    """For each resource by its name: create, same, update, delete, replace …, as often and in the order they came."""
    messages: list[str]
    """What it told the user besides."""

    @property
    def web(self) -> list[str]:
        """What was done to the pod that most tests have."""
        return self.operations.get("web", [])


class Tree:
    """A process and all that descends from it: the engine, the language host, the provider, a pod in the making."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def kill(self) -> None:
        """End them all at once, as a machine that loses power does."""
        if self._process.poll() is not None:
            return  # its number may be another's by now
        for pid in [self._process.pid, *_descendants(self._process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> str:
        """End the engine, which hangs, then what it started, and return what it was waiting for."""
        descendants = _descendants(self._process.pid)
        self._process.send_signal(signal.SIGQUIT)  # a Go program tells that on stderr, and exits
        try:
            return self._process.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            return "the engine has ended, but something that it started holds its streams open"
        finally:
            for pid in descendants:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


class Stack:
    """One project with one stack on a file backend."""

    def __init__(self, engine: Path, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder / "project"
        self.folder.mkdir(parents=True)
        (self.folder / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
        state = folder / "state"
        state.mkdir()
        # the virtual environment first: the language host starts whatever python is on PATH
        path = f"{Path(sys.executable).parent}{os.pathsep}{engine}{os.pathsep}{os.environ['PATH']}"
        self._environment = environment | {
            "PATH": path,
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
        }
        self.write_program(PROGRAM)
        self._run("stack", "init", "dev", check=True)

    def write_program(self, text: str) -> None:
        """Make ``text`` the program."""
        (self.folder / "__main__.py").write_text(text)

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Make ``manifest`` the pod that the program deploys (JSON is YAML)."""
        (self.folder / "pod.yaml").write_text(json.dumps(manifest))

    def up(self, *options: str, check: bool = True) -> Outcome:
        """Run ``pulumi up``."""
        return self._engine("up", "--yes", "--skip-preview", *options, check=check)

    def preview(self, *options: str, check: bool = True) -> str:
        """Run ``pulumi preview --diff`` and return the text that a person reads."""
        done = self._run("preview", "--diff", "--color=never", *options, check=check)
        return done.stdout + done.stderr

    def refresh(self, *options: str) -> Outcome:
        """Run ``pulumi refresh``."""
        return self._engine("refresh", "--yes", "--skip-preview", *options)

    def destroy(self) -> Outcome:
        """Run ``pulumi destroy``."""
        return self._engine("destroy", "--yes", "--skip-preview")

    @contextmanager
    def started(self, *arguments: str) -> Iterator["Tree"]:
        """Start the engine, to be killed."""
        tree = Tree(self._start(*arguments, output=subprocess.DEVNULL))
        try:
            yield tree
        finally:
            tree.kill()

    def unlock(self) -> None:
        """Take away the lock that a killed engine left."""
        self._run("cancel", "--yes", check=True)

    def outputs(self) -> dict[str, Any]:
        """Return what the program exported."""
        exported: dict[str, Any] = json.loads(self._run("stack", "output", "--json", check=True).stdout)
        return exported

    def state(self) -> str:
        """Return the stack's state as it is stored: secrets in it are encrypted."""
        return self._run("stack", "export", check=True).stdout

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the outputs of the pods in the state, by the resource's name."""
        resources = json.loads(self.state())["deployment"].get("resources", [])
        return {_name(item["urn"]): item["outputs"] for item in resources if item["type"].endswith("podwright:Pod")}

    def _engine(self, *arguments: str, check: bool = True) -> Outcome:
        done = self._run(*arguments, "--json", check=False)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        operations: dict[str, list[str]] = {}
        for event in events:
            if "resOutputsEvent" in event:
                metadata = event["resOutputsEvent"]["metadata"]
                operations.setdefault(_name(metadata["urn"]), []).append(metadata["op"])
        told = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
        messages = [item["message"].strip() for item in told if item["severity"] != "debug"]
        assert done.returncode == 0 or not check, f"pulumi {' '.join(arguments)}: {messages} {done.stderr}"
        return Outcome(done.returncode, done.stdout + done.stderr, operations, messages)

    def _run(self, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        process = self._start(*arguments, output=subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            pytest.fail(f"pulumi {' '.join(arguments)} took more than {TIMEOUT:g} s: {Tree(process).end()}")
        done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
        assert done.returncode == 0 or not check, f"pulumi {' '.join(arguments)}: {stderr}{stdout}"
        return done

    def _start(self, *arguments: str, output: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # ended meanwhile
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found
