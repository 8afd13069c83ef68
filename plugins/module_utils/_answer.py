# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``podwright api`` printed, as the result of a task. Private to this collection.

The module and the action plugin both end here, so that a task's result does not depend on which of them ran.
"""

from __future__ import annotations

import json
from typing import Any


class AnswerError(Exception):
    """The task failed; result is what to return besides msg."""

    def __init__(self, msg: str, **result: Any) -> None:
        super().__init__(msg)
        self.msg = msg
        self.result = result


def result(
    stdout: str, stderr: str, rc: int, *, diff_mode: bool, no_log: bool = False, subject: str = "pod"
) -> tuple[dict[str, Any], list[str]]:
    """Return the task's result and its warnings, or raise AnswerError.

    ``subject`` is the result's word for the pod, the image, or the list, that the answer is about.
    With no_log the message of a failure quotes nothing of the manifest, since Ansible prints it all the same.
    """
    answer = _find_answer(stdout)
    if answer is None:
        raise AnswerError(
            f"the Podwright core ended with exit code {rc} and without an answer",
            module_stdout=stdout,
            module_stderr=stderr,
            rc=rc,
        )
    done = answer.get("result")
    converted = {} if done is None else _converted(done, subject, diff_mode=diff_mode)
    warnings = converted.pop("warnings", [])
    if answer["status"] != "ok":
        raise _failure(answer.get("error") or {}, converted, no_log=no_log)
    return converted, warnings


def _converted(done: dict[str, Any] | list[Any], subject: str, *, diff_mode: bool) -> dict[str, Any]:
    if isinstance(done, list):
        return {"changed": False, subject: done}
    converted = {key: value for key, value in done.items() if key not in ("pod", "diff")}
    if "action" in done:  # it is a plan
        converted[subject] = done.get(subject if subject == "image" else "pod")
    return converted | {"diff": done["diff"]} if diff_mode else converted


def _failure(error: dict[str, Any], done: dict[str, Any], *, no_log: bool) -> AnswerError:
    """Return the failure, with what was done all the same: a pod that does not become ready was applied."""
    named = {key: error[key] for key in ("type", "field", "value") if key in error}
    message = error.get("message") or "the Podwright core failed and did not say why"
    if no_log and error.get("type") == "ManifestError":
        message = f"{error.get('field', 'the manifest')} is wrong; how is hidden, as the task has no_log"
    return AnswerError(message, error=named, **done)


def _find_answer(stdout: str) -> dict[str, Any] | None:
    """Return the answer in stdout, a JSON object that begins a line, or None.

    What stands around it is noise: with a terminal, which some ways of becoming another user need, a shell's greeting
    and the standard error come along.
    """
    decoder = json.JSONDecoder()
    start = 0
    for line in stdout.splitlines(keepends=True):
        if line.startswith("{"):
            try:
                answer, _end = decoder.raw_decode(stdout, start)
            except ValueError:
                answer = None
            if isinstance(answer, dict) and "status" in answer:
                return answer
        start += len(line)
    return None
