# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the core on the managed host, the same for all modules of this collection. Private to it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from ansible_collections.podwright.runtime.plugins.module_utils import _answer

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def find_core(module: AnsibleModule) -> str:
    """Return the path of the core's command: the one asked for, or the one beside the module's own interpreter."""
    wanted = module.params["executable"]
    asked_for = wanted if os.path.isabs(wanted) else module.get_bin_path(wanted)
    for command in (asked_for, os.path.join(os.path.dirname(sys.executable), "podwright")):
        if command and os.path.isfile(command) and os.access(command, os.X_OK):
            return command
    return module.fail_json(
        msg=f"the Podwright core is not on this host (no {wanted}): install it with the role podwright.runtime.host, "
        "or name its command with the option executable"
    )


def ask(module: AnsibleModule, request: dict[str, Any], subject: str) -> None:
    """Send the core a request, and end the module with what it answered.

    The core runs as a child, under its own interpreter. Ansible's respawn_module would start this module a second time
    there; but it writes the arguments into a pipe that nobody reads yet, so that it hangs for ever on a Pod of more
    than 64 KiB, and it costs more than the core itself.
    """
    rc, stdout, stderr = module.run_command([find_core(module), "api"], data=json.dumps(request), binary_data=True)
    try:
        result, warnings = _answer.result(
            stdout, stderr, rc, diff_mode=module._diff, no_log=module.no_log, subject=subject
        )
    except _answer.AnswerError as error:
        module.fail_json(msg=error.msg, **error.result)
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)
