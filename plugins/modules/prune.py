#!/usr/bin/python
# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402, EXE001 - Ansible wants the imports below the documentation, and a shebang on a file that none executes

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Free the room of images that nothing needs any more
version_added: 0.1.0
description:
  - Removes what no image on the managed host has any more, as after a tag moved or an image was removed, and what an
    interrupted download left. What a pod or container lies on stays in any case.
extends_documentation_fragment: podwright.runtime._core
options:
  all:
    description: Whether to remove also the images that no pod or container uses.
    type: bool
    default: false
seealso:
  - module: podwright.runtime.image
"""

EXAMPLES = r"""
- name: Make room
  podwright.runtime.prune:
    all: true
  register: pruned

- name: Say how much that was
  ansible.builtin.debug:
    msg: "{{ pruned.size | human_readable }} of {{ pruned.images | length }} images"
"""

RETURN = r"""
images:
  description: The names of the images that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample:
    - localhost:5000/httpd:1
blobs:
  description: The digests of what was removed of downloads.
  returned: success
  type: list
  elements: str
  sample:
    - sha256:0f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a6f4e3d2c1b0a99887766554433221100
layers:
  description: The digests of the unpacked layers that were removed.
  returned: success
  type: list
  elements: str
  sample:
    - sha256:6f4e3d2c1b0a998877665544332211000f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a
leftovers:
  description: The paths of what interrupted downloads had begun.
  returned: success
  type: list
  elements: str
  sample: []
size:
  description: How many bytes all of that took on the disk.
  returned: success
  type: int
  sample: 1871033
error:
  description: What the core refused.
  returned: failure, when the core said why
  type: dict
  contains:
    type:
      description: The kind of error.
      type: str
      sample: HostError
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.podwright.runtime.plugins.module_utils import _ask, _image


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **_image.PRUNE_ARGUMENTS)
    _ask.ask(module, _image.prune_request(module.params, check_mode=module.check_mode), "pruned")


if __name__ == "__main__":
    main()
