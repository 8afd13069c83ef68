# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast lane of the module pod: one execution of the core that is installed on the host, and no AnsiballZ.

An ordinary module costs half a second of CPU before its first line runs: it is packed, sent, unpacked and compiled
anew for each task. This plugin validates the arguments on the control machine, sends the core one request and reads
one answer. Where that does not fit (see `_fits`), or where the core is not found, the ordinary module runs instead,
with the same result.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible_collections.podwright.runtime.plugins.module_utils import _answer, _pod

MODULE = "podwright.runtime.pod"

# What a shell answers about a command that it did not find, or could not execute.
NOT_EXECUTED = (126, 127)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        params = self.validate_argument_spec(**_pod.ARGUMENTS)[1]
        text = self._controller_file(params)
        try:
            request = _pod.request(params, text, check_mode=self._task.check_mode)
        except _pod.OptionError as error:
            raise AnsibleActionFail(str(error)) from error
        if self._fits(params):
            output = self._ask_core(params["executable"], request)
            if output["rc"] not in NOT_EXECUTED:
                return self._result(output)
        return self._run_module(text, task_vars)

    def _controller_file(self, params: dict[str, Any]) -> str | None:
        """Return the manifest in a file of the control machine (decrypted, if it is a vault), or None."""
        if params["src"] is None or params["remote_src"]:
            return None
        path = self._find_needle("files", params["src"])
        plain = self._loader.get_real_file(path)
        try:
            with open(plain, "rb") as file:
                return file.read().decode()
        except (OSError, UnicodeError) as error:
            # from None: Ansible appends the text of a cause to the sentence
            raise AnsibleActionFail(_pod.unreadable(path, error)) from None
        finally:
            self._loader.cleanup_tmp_file(plain)

    def _fits(self, params: dict[str, Any]) -> bool:
        """Whether one execution of the core can do the task.

        A job of its own (async) is Ansible's to start, and a file on the host is the module's to read.
        """
        posix = getattr(self._connection._shell, "SHELL_FAMILY", None) == "sh"
        return posix and not self._task.async_val and not (params["src"] and params["remote_src"])

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
            )
        except _answer.AnswerError as error:
            return dict(error.result, failed=True, msg=error.msg)
        for warning in warnings:
            self._display.warning(warning)
        return result

    def _run_module(self, text: str | None, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        args = self._task.args.copy()
        if text is not None:
            args.update(src=self._send("manifest.yaml", text), remote_src=True)
        wrap_async = self._task.async_val and not self._connection.has_native_async
        return self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars, wrap_async=wrap_async)
