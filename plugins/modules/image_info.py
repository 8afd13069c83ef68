#!/usr/bin/python
# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402, EXE001 - Ansible wants the imports below the documentation, and a shebang on a file that none executes

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: List the images on a plain host
version_added: 0.1.0
description:
  - Returns the images that Podwright has on the managed host.
extends_documentation_fragment: podwright.runtime._core
attributes:
  diff_mode:
    support: none
options:
  name:
    description:
      - Only these images. One that is not there is left out of the result.
      - V(busybox) is V(docker.io/library/busybox:latest).
    type: list
    elements: str
    aliases: [names]
seealso:
  - module: podwright.runtime.image
"""

EXAMPLES = r"""
- name: What is there
  podwright.runtime.image_info:
  register: all

- name: Is the web server's image there
  podwright.runtime.image_info:
    name: localhost:5000/httpd:1
  register: found

- name: Say so
  ansible.builtin.debug:
    msg: "{{ found.images | length }} of {{ all.images | map(attribute='name') }}"
"""

RETURN = r"""
images:
  description: The images, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name in full.
      type: str
      sample: localhost:5000/httpd:1
    digest:
      description: What the name stood for where the image came from.
      type: str
      sample: sha256:0f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a6f4e3d2c1b0a99887766554433221100
    platform:
      description: What it runs on.
      type: str
      sample: linux/amd64
    size:
      description: Bytes of the configuration and the compressed layers.
      type: int
      sample: 1871033
    layers:
      description: Digests of the unpacked layers, bottom first.
      type: list
      elements: str
      sample:
        - sha256:6f4e3d2c1b0a998877665544332211000f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a
    created:
      description: When it was made, as it says itself. It may be V(none).
      type: str
      sample: "2026-01-02T03:04:05Z"
    config:
      description: How a container of it is started, as the OCI image specification has it.
      type: dict
      sample:
        Cmd: [/bin/httpd, -f]
error:
  description: What the core refused.
  returned: failure, when the core said why
  type: dict
  contains:
    type:
      description: The kind of error.
      type: str
      sample: ImageError
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.podwright.runtime.plugins.module_utils import _ask, _image


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **_image.INFO_ARGUMENTS)
    _ask.ask(module, _image.info_request(module.params), "images")


if __name__ == "__main__":
    main()
