# SPDX-License-Identifier: Apache-2.0
"""What can be seen of a pod, by the words of a row's ``expect``.

::

    log: {container: text}          what it wrote, without the last newline
    status: {path: value}           of v1.PodStatus; items of lists by name or type
    shown: {path: value}            of the Pod as `podwright get` shows it
    proc: {container: {key: value}} /proc/PID/status of its first process, as the host sees it; oom_score_adj too
    files: {container: {path: value}}  in its root, as the host sees it
    cgroup: {container: {file: value}} of its cgroup; a name that this version of cgroups has not is passed over
    host: {file: text}              of ${DIR}
    started: [container…]           in this order
    events: [[container, reason, message]…]  in this order, others between them
    said: text                      in what apply printed
    refused: text                   apply fails with this, and nothing is there

A value that begins with ``~`` is a regular expression for the whole; ``null`` means that nothing is there. What is not
so yet is waited for.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pod_rows import entry

from hosttools import CGROUPS, Host

Wanted = dict[str, Any]


class Pod:
    """A pod of a row on a host, and what its apply printed."""

    def __init__(self, host: Host, name: str, namespace: str, folder: Path, said: str) -> None:
        self._machine = host
        self._name = name
        self._namespace = namespace
        self._folder = folder
        self.said = said

    def seen(self, kind: str, wanted: Any) -> Any:
        """Return what is there of what is wanted, in the same form."""
        look: Callable[[Any], Any] = getattr(self, f"_{kind}")
        return look(wanted)

    def uid(self) -> str:
        """Return the pod's uid."""
        return str(self._shown_pod()["metadata"]["uid"])

    def _shown_pod(self) -> dict[str, Any]:
        return self._machine.pod(self._name, self._namespace)

    def _log(self, wanted: Wanted) -> Wanted:
        options = ("-n", self._namespace)
        return {
            name: self._machine.run("logs", self._name, *options, "-c", name, check=False).stdout.rstrip("\n")
            for name in wanted
        }

    def _status(self, wanted: Wanted) -> Wanted:
        return _picked(self._shown_pod()["status"], wanted)

    def _shown(self, wanted: Wanted) -> Wanted:
        return _picked(self._shown_pod(), wanted)

    def _proc(self, wanted: Wanted) -> Wanted:
        return {name: {key: _of_process(self._pid(name), key) for key in keys} for name, keys in wanted.items()}

    def _files(self, wanted: Wanted) -> Wanted:
        return {
            name: {path: _text(Path(f"/proc/{self._pid(name)}/root{path}")) for path in paths}
            for name, paths in wanted.items()
        }

    def _cgroup(self, wanted: Wanted) -> Wanted:
        return {name: _of_cgroup(self._pid(name), files) for name, files in wanted.items()}

    def _host(self, wanted: Wanted) -> Wanted:
        return {name: _text(self._folder / name) for name in wanted}

    def _started(self, wanted: list[str]) -> list[str]:
        ages = {name: (int(_stat(self._pid(name))[19]), self._pid(name)) for name in wanted}
        return sorted(wanted, key=ages.__getitem__)

    def _events(self, wanted: list[list[str]]) -> list[list[str]]:
        """Return the events that fit, one for each that is wanted, as far as they have happened."""
        text = _text(self._machine.root / "lib/pods" / self.uid() / "events.log") or ""
        events = map(json.loads, text.splitlines())
        happened = iter([[event["container"], event["reason"], event["message"]] for event in events])
        fitting = (next((event for event in happened if _fit(one, event)), None) for one in wanted)
        return [event for event in fitting if event]

    def _said(self, wanted: str) -> str:
        return wanted if wanted in self.said else self.said

    def _pid(self, container: str) -> int:
        state = json.loads((self._machine.run_dir / "run/pods" / self.uid() / "state.json").read_text())
        return next(int(item["pid"]) for item in state["containers"] if item["name"] == container)


def fits(wanted: Any, found: Any) -> bool:
    """Tell whether something is as wanted."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(fits(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and _fit(wanted, found)
    if isinstance(wanted, str) and wanted.startswith("~"):
        return isinstance(found, str) and re.fullmatch(wanted[1:], found, re.DOTALL) is not None
    return bool(wanted == found)


def _fit(wanted: list[Any], found: list[Any]) -> bool:
    return len(wanted) == len(found) and all(map(fits, wanted, found))


def _picked(value: Any, wanted: Wanted) -> Wanted:
    found = {}
    for path in wanted:
        place = value
        for name in re.findall(r"[^.\[\]]+|(?<=\[)[^]]+", path):
            place = entry(place, name)
        found[path] = place
    return found


def _of_process(pid: int, key: str) -> Any:
    if key == "oom_score_adj":
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return next((" ".join(value.split()) for name, _, value in lines if name == key), None)


def _of_cgroup(pid: int, files: Wanted) -> Wanted:
    """Return the content of each file that is in one of a process' cgroups, a number as one."""
    found = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        tops = [CGROUPS / (controllers or "."), CGROUPS / "unified"]
        for name in files:
            for top in tops:
                text = _text(top / path.lstrip("/") / name)
                if text is not None:
                    found[name] = int(text) if text.isdecimal() else text
    assert found, f"no cgroup of process {pid} has one of {sorted(files)}"
    return {name: found.get(name, wanted) for name, wanted in files.items()}


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _text(path: Path) -> str | None:
    try:
        return path.read_text().rstrip("\n")
    except OSError:
        return None
