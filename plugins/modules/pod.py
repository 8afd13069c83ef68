#!/usr/bin/python
# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402, EXE001 - Ansible wants the imports below the documentation, and a shebang on a file that none executes

from __future__ import annotations

DOCUMENTATION = r"""
module: pod
short_description: Bring up a Kubernetes pod on a plain host, or remove it
version_added: 0.1.0
description:
  - Takes a Pod as Kubernetes writes it and runs it on the managed host, without a cluster and without a daemon.
  - The pod is compared with what was applied last, field by field, and with what runs now. Nothing happens when nothing
    differs. A changed container is restarted alone where that is enough; otherwise the pod is created anew. A key that
    left the definition is a removed key.
  - A field of the Pod that Podwright does not have yet is refused by name. No field is ignored.
extends_documentation_fragment: podwright.runtime._core
options:
  definition:
    description:
      - The Pod, as a dictionary.
      - A template of a number gives a number, also in quotes. Where a Pod wants a text, as in the value of an
        environment variable, end it with the filter C(string).
      - Exactly one of O(definition), O(src) and O(name) is required.
    type: dict
  src:
    description:
      - A file that holds the Pod, as YAML or JSON, on the control machine; a relative path is looked for as
        M(ansible.builtin.copy) does, in C(files/) first. The file may be a vault.
      - Beside the Pod it may hold the ConfigMaps, Secrets and PersistentVolumeClaims that it names, as documents of the
        same YAML stream. They are kept on the host, and removed with O(state=absent), but for the claims. These are
        volumes, which only C(podwright delete pvc) removes, with their data.
      - It is not a template. Use O(definition=lookup('template', 'pod.yaml.j2') | from_yaml) for that.
    type: path
  remote_src:
    description: Whether O(src) is a file on the managed host.
    type: bool
    default: false
  name:
    description: The name of the pod to remove, with O(state=absent), when there is no definition at hand.
    type: str
  namespace:
    description: The namespace of the pod O(name). It is V(default) if not given.
    type: str
  state:
    description:
      - V(present) makes the pod run as the definition says.
      - V(absent) stops the pod, giving its containers their grace period, and removes all that belongs to it. Only the
        name and the namespace of a definition matter then.
    type: str
    choices: [absent, present]
    default: present
  wait:
    description: Whether to wait until the pod is ready, or has run to its end.
    type: bool
    default: true
  wait_timeout:
    description: How many seconds to wait before the task fails, at least one. The pod stays as it is then.
    type: int
    default: 120
seealso:
  - name: Pod v1 core
    description: The fields of a Pod.
    link: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

EXAMPLES = r"""
- name: A web server and its client, which share localhost
  podwright.runtime.pod:
    definition:
      apiVersion: v1
      kind: Pod
      metadata:
        name: web
      spec:
        containers:
          - name: server
            image: localhost:5000/httpd:1
            command: [/bin/httpd, -f, -p, "8080"]
          - name: client
            image: localhost:5000/httpd:1
            command: [/bin/sh, -c, "while sleep 1; do wget -q -O - http://127.0.0.1:8080/; done"]
            env:
              - name: GREETING
                value: hello

- name: The same pod from a file
  podwright.runtime.pod:
    src: web.yaml
  register: web

- name: Say where it can be reached
  ansible.builtin.debug:
    msg: "{{ web.pod.status.podIP }}"

- name: Remove it
  podwright.runtime.pod:
    src: web.yaml
    state: absent

- name: Remove a pod by its name
  podwright.runtime.pod:
    name: web
    namespace: default
    state: absent
"""

RETURN = r"""
action:
  description:
    - What was done, or would be done in check mode.
    - V(repair) means that the pod was as defined, but something of it had died.
  returned: success
  type: str
  sample: update
  choices: [none, create, update, recreate, repair, delete]
changes:
  description: Each field that differs from what was applied last.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The field.
      type: str
      sample: spec.containers[client].env[GREETING].value
    before:
      description: What was applied last.
      type: raw
      sample: hello
    after:
      description: What the task asks for.
      type: raw
      sample: good evening
    effect:
      description: What the change takes.
      type: str
      sample: restart container client
pod:
  description: The Pod as it is now, with its status. It is V(none) in check mode and after the pod was removed.
  returned: success
  type: dict
  sample:
    apiVersion: v1
    kind: Pod
    metadata:
      name: web
      namespace: default
      uid: 0b1f6c9e-3f0c-4d5a-9a51-2f5b8f7f0b8e
    spec:
      containers:
        - name: server
          image: localhost:5000/httpd:1
    status:
      phase: Running
      podIP: 10.77.0.5
error:
  description: What the core refused.
  returned: failure, when the core said why
  type: dict
  contains:
    type:
      description: The kind of error.
      type: str
      sample: ManifestError
    field:
      description: The field of the Pod that is wrong.
      returned: when a field is wrong
      type: str
      sample: spec.containers[0].image
    value:
      description: What was found there.
      returned: when a field is wrong
      type: raw
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.podwright.runtime.plugins.module_utils import _ask, _core, _pod


def read_manifest(module: AnsibleModule) -> str | None:
    """Return the text of the file that src names, or None."""
    path = module.params["src"]
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeError) as error:
        return module.fail_json(msg=_pod.unreadable(path, error))


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **_pod.ARGUMENTS)
    try:
        request = _pod.request(module.params, read_manifest(module), check_mode=module.check_mode)
    except _core.OptionError as error:
        module.fail_json(msg=str(error))
    _ask.ask(module, request, "pod")


if __name__ == "__main__":
    main()
