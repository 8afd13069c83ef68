# SPDX-License-Identifier: Apache-2.0
"""Whether a container that ended starts again: its rules, its own policy, then the pod's.

As Kubernetes' ContainerShouldRestart (pkg/api/v1/pod/util.go) does it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from podwright.manifest.faults import Fault

Container = Mapping[str, Any]


def faults_of(container: Container, field: str) -> Iterator[Fault]:
    """Yield what is wrong with the rules of one container."""
    rules = container.get("restartPolicyRules") or []
    if rules and not container.get("restartPolicy"):
        yield Fault(f"{field}.restartPolicy", "required beside restartPolicyRules, but missing")
    for index, rule in enumerate(rules):
        where = f"{field}.restartPolicyRules[{index}]"
        if not rule.get("exitCodes"):
            yield Fault(f"{where}.exitCodes", "required, but missing")
        if rule["action"] == "RestartAllContainers":
            reason = "not supported by this release of podwright; use Restart, which restarts this container"
            yield Fault(f"{where}.action", reason, rule["action"])


def normal_rules(container: Container) -> list[dict[str, Any]]:
    """Return the rules in their normal form: the order of the exit codes of one means nothing."""
    return [
        {
            "action": rule["action"],
            "exitCodes": {
                "operator": rule["exitCodes"]["operator"],
                "values": sorted(set(rule["exitCodes"].get("values") or ())),
            },
        }
        for rule in container.get("restartPolicyRules") or ()
    ]


def init_faults_of(container: Container, field: str) -> Iterator[Fault]:
    """Yield what is wrong with a container that runs before the others: what only one that stays may have."""
    if not is_sidecar(container):
        for name in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
            if container.get(name) is not None:
                yield Fault(f"{field}.{name}", "must not be there without restartPolicy: Always", container[name])


def is_sidecar(init_container: Container) -> bool:
    """Tell whether one of a pod's initContainers stays when the next one starts."""
    return bool(init_container.get("restartPolicy") == "Always")


def policy_of(container: Container, pod_policy: str) -> str:
    """Return the policy for exit codes that no rule speaks of."""
    return str(container.get("restartPolicy") or pod_policy)


def should_restart(container: Container, pod_policy: str, exit_code: int) -> bool:
    """Tell whether a (normalised) container that ended like this starts again."""
    for rule in container.get("restartPolicyRules", ()):
        codes = rule["exitCodes"]
        if (exit_code in codes["values"]) == (codes["operator"] == "In"):
            return True
    policy = policy_of(container, pod_policy)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
