# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast lane of this collection's modules: one execution of the core that is installed on the host, no AnsiballZ.

An ordinary module costs half a second of CPU before its first line runs: it is packed, sent, unpacked and compiled
anew for each task. An action plugin validates the arguments on the control machine, sends the core one request and
reads one answer. Where that does not fit (see `_fits`), or where the core is not found, the ordinary module runs
instead, with the same result. Private to this collection.
"""

from __future__ import annotations

import abc
import json
import shlex
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible_collections.podwright.runtime.plugins.module_utils import _answer, _core

# What a shell answers about a command that it did not find, or could not execute.
NOT_EXECUTED = (126, 127)


class FastLane(ActionBase):
    """The part that all modules of this collection have in common; a module's own plugin derives from it."""

    MODULE = ""
    """The full name of the ordinary module."""
    SUBJECT = ""
    """What the result calls that which the module is about."""
    ARGUMENTS: ClassVar[dict[str, Any]]

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        params = self.validate_argument_spec(**self.ARGUMENTS)[1]
        text = self._controller_file(params)
        try:
            request = self._request(params, text)
        except _core.OptionError as error:
            raise AnsibleActionFail(str(error)) from error
        if self._fits(params):
            output = self._ask_core(params["executable"], request)
            if output["rc"] not in NOT_EXECUTED:
                return self._result(output)
        return self._run_module(text, task_vars)

    @abc.abstractmethod
    def _request(self, params: dict[str, Any], text: str | None) -> dict[str, Any]:
        """Return the request that the validated params ask for, or raise OptionError."""

    def _controller_file(self, _params: dict[str, Any]) -> str | None:
        """Return the text of a file of the control machine that the core needs, or None."""
        return None

    def _fits(self, _params: dict[str, Any]) -> bool:
        """Whether one execution of the core can do the task.

        A job of its own (async) is Ansible's to start.
        """
        posix = getattr(self._connection._shell, "SHELL_FAMILY", None) == "sh"
        return posix and not self._task.async_val

    def _ask_core(self, executable: str, request: dict[str, Any]) -> dict[str, Any]:
        # The encoder of module arguments decrypts vaulted values and writes dates as the ordinary module gets them.
        encoder = get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE)
        data = json.dumps(request, cls=encoder).encode()
        command = f"{shlex.quote(executable)} api"
        environment = self._compute_environment_string()
        if environment:
            command = f"{environment} {command}"
        if self._standard_input_is_free():
            return self._low_level_execute_command(command, in_data=data)
        path = self._send("request.json", data)
        return self._low_level_execute_command(f"{command} < {shlex.quote(path)}")

    def _send(self, name: str, data: str | bytes) -> str:
        """Write a file into the task's own folder on the host (mode 0700, removed after the task); return its path."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        path = self._transfer_data(shell.join_path(shell.tmpdir, name), data)
        self._fixup_perms2([shell.tmpdir, path], self._get_remote_user(), execute=False)
        return path

    def _standard_input_is_free(self) -> bool:
        """Whether the request can go through the connection's standard input.

        Without pipelining, becoming another user may want the terminal that a connection gives only to a command
        without input (sudo's requiretty, su's password prompt).
        """
        if self._is_pipelining_enabled("new"):
            return True
        if constants.DEFAULT_KEEP_REMOTE_FILES or self._becomes() or not self._connection.has_pipelining:
            return False
        terminal_requested = getattr(self._connection, "_is_tty_requested", None)  # ssh with RequestTTY
        return not (terminal_requested and terminal_requested())

    def _becomes(self) -> bool:
        """Whether the command will run as another user: the condition of _low_level_execute_command."""
        if not self._connection.become:
            return False
        users = (self._get_remote_user(), self.get_become_option("become_user"))
        return constants.BECOME_ALLOW_SAME_USER or users[0] != users[1] or not any(users)

    def _result(self, output: dict[str, Any]) -> dict[str, Any]:
        try:
            result, warnings = _answer.result(
                output["stdout"],
                output["stderr"],
                output["rc"],
                diff_mode=self._task.diff,
                no_log=self._task.no_log,
                subject=self.SUBJECT,
            )
        except _answer.AnswerError as error:
            return dict(error.result, failed=True, msg=error.msg)
        for warning in warnings:
            self._display.warning(warning)
        return result

    def _module_args(self, _text: str | None) -> dict[str, Any]:
        """Return the arguments for the ordinary module; ``text`` is what ``_controller_file`` returned."""
        return self._task.args.copy()

    def _run_module(self, text: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        wrap_async = self._task.async_val and not self._connection.has_native_async
        return self._execute_module(
            module_name=self.MODULE,
            module_args=self._module_args(text),
            task_vars=task_vars,
            wrap_async=wrap_async,
        )
