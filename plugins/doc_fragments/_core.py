# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of all modules of this collection says. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
author:
  - Podwright contributors (@podwright)
requirements:
  - the Podwright core on the managed host, as the role P(podwright.runtime.host#role) installs it (Python >= 3.11)
options:
  executable:
    description:
      - The core's command on the managed host, a path or a name on the C(PATH).
      - Set it once for all tasks with C(module_defaults) and the group P(podwright.runtime.runtime#module), when the
        role installed the core elsewhere.
    type: str
    default: /opt/podwright/bin/podwright
attributes:
  action_group:
    description: Use C(group/podwright.runtime.runtime) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - podwright.runtime.runtime
  async:
    description: Supports being used with the C(async) keyword.
    support: full
  check_mode:
    description: Can run in check mode and say what would change, without changing the host.
    support: full
  diff_mode:
    description: Returns what changed, or would change, when in diff mode.
    support: full
  idempotent:
    description: Running the task a second time changes nothing.
    support: full
  platform:
    description: What the managed host runs.
    support: full
    platforms: linux
notes:
  - The core needs root on the managed host.
  - The core reads C(/etc/podwright/podwright.toml). Set C(PODWRIGHT_CONFIG) with the keyword C(environment) to use
    another file.
  - Over SSH with C(become), the fast way to the core needs Ansible's C(pipelining). Without it each task takes a few
    round trips more.
"""
