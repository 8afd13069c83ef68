#!/usr/bin/python
# Copyright: (c) 2026, Podwright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402, EXE001 - Ansible wants the imports below the documentation, and a shebang on a file that none executes

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Run one container on a plain host, or stop or remove it
version_added: 0.1.0
description:
  - Runs a container that Kubernetes' container fields describe, without a pod to write around it, without a cluster and
    without a daemon. It has its own network address, and its own supervisor, which starts it again as
    O(restart_policy) says.
  - The container is compared with what was applied last, field by field, and with what runs now. Nothing happens when
    nothing differs. New limits are set while it runs; most other changes restart it. An option that left the task is
    a removed field.
  - Options are the fields of a Kubernetes container in Ansible's spelling; Kubernetes' own is an alias. What is inside
    them is spelt as in Kubernetes. A field that Podwright does not have yet is refused by name.
extends_documentation_fragment: podwright.runtime._core
options:
  name:
    description:
      - The name of the container, in lower case letters, digits and V(-).
      - Containers and pods have names of their own, so a pod may be called the same.
    type: str
    required: true
  namespace:
    description: The namespace of the name. It is V(default) if not given.
    type: str
  labels:
    description: Keys and values, which must be texts. A change of them changes only what is recorded.
    type: dict
  annotations:
    description: Keys and values of any content, which must be texts. A change of them changes only what is recorded.
    type: dict
  image:
    description:
      - The image; without a registry, from docker.io.
      - One of O(image) and O(rootfs) is required for O(state=present).
    type: str
  rootfs:
    description:
      - A directory of the managed host to use instead of an image.
      - It is never written. What the container changes in it is gone when the container starts anew.
    type: str
  image_pull_policy:
    description: When to ask the registry. It is V(Always) for the tag C(latest), else V(IfNotPresent), if not given.
    type: str
    choices: [Always, IfNotPresent, Never]
    aliases: [imagePullPolicy]
  command:
    description: The program and its arguments, instead of those of the image. V($(NAME\)) is replaced by a variable.
    type: list
    elements: str
  args:
    description: Arguments, instead of those of the image. V($(NAME\)) is replaced by a variable.
    type: list
    elements: str
  working_dir:
    description: Where the program starts. It is what the image says if not given.
    type: str
    aliases: [workingDir]
  env_from:
    description:
      - ConfigMaps and Secrets of the host (C(configMapRef) or C(secretRef), each with C(name)); their data become
        variables.
    type: list
    elements: dict
    aliases: [envFrom]
  env:
    description:
      - Variables on top of the image's, each with C(name), and C(value) or C(valueFrom).
      - A value must be a text. End the template of a number with the filter C(string).
    type: list
    elements: dict
  ports:
    description:
      - Ports that the container listens on, each with C(containerPort), and C(name) and C(protocol) if wanted.
      - They inform; every port can be reached at the container's address.
    type: list
    elements: dict
  resources:
    description:
      - C(limits) and C(requests) of C(cpu) and C(memory). They change while the container runs.
      - Where there were none, or will be none, the quality of service class is another, and the container is made anew.
    type: dict
  security_context:
    description:
      - C(runAsUser), C(runAsGroup), C(runAsNonRoot), C(capabilities) with C(add) and C(drop), C(privileged),
        C(allowPrivilegeEscalation), C(readOnlyRootFilesystem), C(seccompProfile) and C(procMount).
      - Other than in Kubernetes, a container may not gain privileges and has the seccomp profile C(RuntimeDefault)
        unless it is told otherwise.
    type: dict
    aliases: [securityContext]
  volumes:
    description: What can be mounted, as in a Pod, each with C(name) and one of C(hostPath), C(emptyDir), C(configMap),
      C(secret), C(downwardAPI), C(projected),
      C(persistentVolumeClaim) and C(image).
    type: list
    elements: dict
  volume_mounts:
    description: Where the container sees the volumes, each with C(name), C(mountPath), and if wanted C(readOnly),
      C(subPath) or C(subPathExpr), C(mountPropagation) and C(recursiveReadOnly).
    type: list
    elements: dict
    aliases: [volumeMounts]
  restart_policy:
    description: When the container is started again after it ended. It is V(Always) if not given.
    type: str
    choices: [Always, Never, OnFailure]
    aliases: [restartPolicy]
  runtime_class_name:
    description:
      - Under which runtime the container runs, one that the configuration of the host names.
      - It is Podwright's own, unless the configuration says otherwise.
    type: str
    aliases: [runtimeClassName]
  termination_grace_period_seconds:
    description: Seconds between the stop signal and C(KILL). It is 30 if not given.
    type: int
    aliases: [terminationGracePeriodSeconds]
  state:
    description:
      - V(present) makes the container run as the options say.
      - V(stopped) records the options and lets nothing run. An image is only fetched when the container is started.
        With no other option than O(name) and O(namespace), the container stays as it is recorded.
      - V(absent) stops the container, giving it its grace period, and removes all that belongs to it. Only O(name) and
        O(namespace) matter then.
    type: str
    choices: [absent, present, stopped]
    default: present
  wait:
    description: Whether to wait until the container runs, or has run to its end.
    type: bool
    default: true
  wait_timeout:
    description: How many seconds to wait before the task fails, at least one. The container stays as it is then.
    type: int
    default: 120
seealso:
  - module: podwright.runtime.pod
  - name: Container v1 core
    description: The fields of a container.
    link: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Container
"""

EXAMPLES = r"""
- name: A web server that may not do much
  podwright.runtime.container:
    name: web
    image: localhost:5000/httpd:1
    command: [/bin/httpd, -f, -p, "8080", -h, /www]
    env:
      - name: GREETING
        value: hello
    ports:
      - containerPort: 8080
    resources:
      limits:
        cpu: 500m
        memory: 64Mi
    security_context:
      runAsUser: 1000
      runAsNonRoot: true
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumes:
      - name: pages
        hostPath:
          path: /srv/www
          type: DirectoryOrCreate
      - name: scratch
        emptyDir:
          medium: Memory
          sizeLimit: 1Mi
    volume_mounts:
      - name: pages
        mountPath: /www
        readOnly: true
      - name: scratch
        mountPath: /tmp
  register: web

- name: Say where it can be reached
  ansible.builtin.debug:
    msg: "{{ web.container.status.podIP }}"

- name: A program of the host, in a root file system of its own
  podwright.runtime.container:
    name: job
    rootfs: /srv/rootfs
    command: [/bin/true]
    restart_policy: Never

- name: Stop the web server, and keep what is recorded of it
  podwright.runtime.container:
    name: web
    state: stopped

- name: Remove both
  podwright.runtime.container:
    name: "{{ item }}"
    state: absent
  loop: [web, job]
"""

RETURN = r"""
action:
  description:
    - What was done, or would be done in check mode.
    - V(repair) means that the container was as the options say, but its supervisor had died.
  returned: success
  type: str
  sample: update
  choices: [none, create, update, recreate, repair, start, stop, delete]
changes:
  description: Each field that differs from what was applied last.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The field, as Kubernetes spells it.
      type: str
      sample: env[GREETING].value
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
      sample: restart container
container:
  description:
    - The container as it is now, with the status of a Pod of one.
    - It is V(none) in check mode and after the container was removed.
  returned: success
  type: dict
  sample:
    name: web
    namespace: default
    state: present
    uid: 0b1f6c9e-3f0c-4d5a-9a51-2f5b8f7f0b8e
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
      description: The field that is wrong.
      returned: when a field is wrong
      type: str
      sample: securityContext.runAsUser
    value:
      description: What was found there.
      returned: when a field is wrong
      type: raw
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.podwright.runtime.plugins.module_utils import _ask, _container, _core


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **_container.ARGUMENTS)
    try:
        request = _container.request(module.params, check_mode=module.check_mode)
    except _core.OptionError as error:
        module.fail_json(msg=str(error))
    _ask.ask(module, request, "container")


if __name__ == "__main__":
    main()
