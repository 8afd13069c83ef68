#!/usr/bin/python
# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402, EXE001 - Ansible wants the imports below the documentation, and a shebang on a file that none executes

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Have an image on a plain host, from a registry or a file, and copy it elsewhere; or remove it
version_added: 0.1.0
description:
  - Fetches an image from its registry, or takes it from a layout, an archive or a root file system on the managed host,
    for the pods and containers of Podwright. Without a daemon.
  - What is there is compared by digest with what the source holds. Nothing happens when nothing differs. Check mode
    asks the registry which digest the name has now, and so is right also about a tag that moved; it downloads nothing.
  - Pods and containers fetch their images by themselves. This module is for images that shall be there before, that do
    not come from a registry, or that are to be copied.
extends_documentation_fragment: podwright.runtime._core
options:
  name:
    description:
      - The image, with its registry. V(busybox) is V(docker.io/library/busybox:latest).
      - With a O(source) it is the name that the image gets.
    type: str
    required: true
  source:
    description:
      - Where the image comes from instead of its registry, a path on the managed host.
      - V(oci:DIRECTORY) and V(oci-archive:FILE) are an OCI image layout, as a directory or in a tar.
        V(docker-archive:FILE) is what C(docker save) writes. Append V(:NAME) to choose one of several images.
      - V(rootfs:PATH) is a root file system, a directory or a tar. It becomes an image of one layer.
    type: str
  pull_policy:
    description:
      - When to ask the source whether it holds another image by now.
      - It is V(Always) for the tag C(latest) and for an image with a O(source), else V(IfNotPresent), if not given.
      - V(Never) fails when the image is not there.
    type: str
    choices: [Always, IfNotPresent, Never]
    aliases: [pullPolicy]
  platform:
    description:
      - Which of an image's variants to have, as C(OS/ARCHITECTURE[/VARIANT]).
      - It is that of the managed host, or WebAssembly, if not given.
    type: str
  auth:
    description:
      - Who asks the registry. A user and password are for the registry that O(name) has, and for destinations in the
        same one; no other registry sees them.
      - Without it the core uses what podman or docker has on the managed host, or what its configuration names.
    type: dict
    suboptions:
      username:
        description: The user's name.
        type: str
      password:
        description: The user's password, or a token.
        type: str
      auth_file:
        description:
          - A file on the managed host with credentials, as C(docker login) writes it. It must be an absolute path.
          - Exactly one of O(auth.username) and O(auth.auth_file) is required.
        type: path
        aliases: [authFile]
  destinations:
    description:
      - Places to copy the image to, where they do not hold it already.
      - V(docker://NAME) is a registry, V(oci:DIRECTORY) an OCI image layout, V(oci-archive:FILE) one in a tar, and
        V(docker-archive:FILE) what C(docker load) reads. V(:NAME) may be appended to the last three.
    type: list
    elements: str
  force:
    description: Whether O(state=absent) removes also an image that a pod or container uses. What runs goes on.
    type: bool
    default: false
  state:
    description:
      - V(present) has the image on the host, and in each of the destinations.
      - V(absent) removes its name. The room that it took is freed by M(podwright.runtime.prune), as other images may
        share it. Only O(name) and O(force) matter then.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: podwright.runtime.image_info
  - module: podwright.runtime.prune
  - module: podwright.runtime.container
  - module: podwright.runtime.pod
"""

EXAMPLES = r"""
- name: The web server's image is here before its pod
  podwright.runtime.image:
    name: localhost:5000/httpd:1

- name: It is the one that the registry has now
  podwright.runtime.image:
    name: localhost:5000/httpd:1
    pull_policy: Always
    auth:
      username: robot
      password: "{{ registry_password }}"
  register: httpd

- name: Say which one that is
  ansible.builtin.debug:
    msg: "{{ httpd.image.digest }}"

- name: Keep it in a file, for a host without a network
  podwright.runtime.image:
    name: localhost:5000/httpd:1
    destinations:
      - oci-archive:/srv/images/httpd.tar

- name: Take it from that file
  podwright.runtime.image:
    name: localhost/httpd:offline
    source: oci-archive:/srv/images/httpd.tar

- name: Copy it to another registry
  podwright.runtime.image:
    name: localhost/httpd:offline
    pull_policy: Never
    destinations:
      - docker://localhost:5000/mirror/httpd:1

- name: Remove it
  podwright.runtime.image:
    name: localhost/httpd:offline
    state: absent
"""

RETURN = r"""
action:
  description: What was done, or would be done in check mode.
  returned: success
  type: str
  sample: update
  choices: [none, create, update, delete]
changes:
  description: What differs.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: V(digest), V(platform), or V(destinations[PLACE]).
      type: str
      sample: digest
    before:
      description: What was there, a digest or a platform.
      type: raw
      sample: sha256:6f4e3d2c1b0a998877665544332211000f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a
    after:
      description: What the source holds, or the task asks for.
      type: raw
      sample: sha256:0f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a6f4e3d2c1b0a99887766554433221100
    effect:
      description: What the change takes.
      type: str
      sample: pull image
image:
  description: The image as it is now. It is V(none) in check mode and after the image was removed.
  returned: success
  type: dict
  sample:
    name: localhost:5000/httpd:1
    digest: sha256:0f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a6f4e3d2c1b0a99887766554433221100
    platform: linux/amd64
    size: 1871033
    layers:
      - sha256:6f4e3d2c1b0a998877665544332211000f1c6c1f7f3a5d5b3b0a1f0e5c7d9b8a
    created: "2026-01-02T03:04:05Z"
    config:
      Cmd: [/bin/httpd, -f]
      Env: [PATH=/bin]
error:
  description: What the core refused.
  returned: failure, when the core said why
  type: dict
  contains:
    type:
      description: The kind of error.
      type: str
      sample: ImageError
    field:
      description: The field that is wrong.
      returned: when a field is wrong
      type: str
      sample: name
    value:
      description: What was found there.
      returned: when a field is wrong
      type: raw
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.podwright.runtime.plugins.module_utils import _ask, _core, _image


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **_image.ARGUMENTS)
    try:
        request = _image.request(module.params, check_mode=module.check_mode)
    except _core.OptionError as error:
        module.fail_json(msg=str(error))
    _ask.ask(module, request, "image")


if __name__ == "__main__":
    main()
