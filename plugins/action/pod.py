# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast lane of the module pod."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.podwright.runtime.plugins.module_utils import _pod
from ansible_collections.podwright.runtime.plugins.plugin_utils._fast_lane import FastLane


class ActionModule(FastLane):
    MODULE = "podwright.runtime.pod"
    SUBJECT = "pod"
    ARGUMENTS = _pod.ARGUMENTS

    def _request(self, params: dict[str, Any], text: str | None) -> dict[str, Any]:
        return _pod.request(params, text, check_mode=self._task.check_mode)

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
        """A file on the host is the module's to read."""
        return super()._fits(params) and not (params["src"] and params["remote_src"])

    def _module_args(self, text: str | None) -> dict[str, Any]:
        args = super()._module_args(text)
        if text is not None:
            args.update(src=self._send("manifest.yaml", text), remote_src=True)
        return args
