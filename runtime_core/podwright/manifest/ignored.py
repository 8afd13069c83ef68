# SPDX-License-Identifier: Apache-2.0
"""Fields that are accepted although they change nothing on a plain host, and the warning each one gives.

They speak to a scheduler or to cluster services. What an API server fills in by itself gives no warning, so that an
exported Pod is not noisy; nor does a value that asks for what happens here anyway.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class _Ignored(NamedTuple):
    reason: str
    is_silent: Callable[[Any], bool] = lambda value: not value


_NO_SCHEDULER = "has no effect here: there is no scheduler on a plain host"
_NO_ACCOUNT = "has no effect here: there are no service accounts on a plain host"
_DEFAULT_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _is_default_toleration(toleration: dict[str, Any]) -> bool:
    return toleration.get("key") in _DEFAULT_TOLERATIONS and toleration.get("effect") == "NoExecute"


IGNORED = {
    "tolerations": _Ignored(_NO_SCHEDULER, lambda value: all(_is_default_toleration(item) for item in value)),
    "affinity": _Ignored(_NO_SCHEDULER, lambda value: not any(any((part or {}).values()) for part in value.values())),
    "topologySpreadConstraints": _Ignored(_NO_SCHEDULER),
    "schedulerName": _Ignored(_NO_SCHEDULER, lambda value: value in ("", "default-scheduler")),
    "priority": _Ignored(_NO_SCHEDULER),
    "priorityClassName": _Ignored(_NO_SCHEDULER),
    "preemptionPolicy": _Ignored(_NO_SCHEDULER, lambda value: value == "PreemptLowerPriority"),
    "overhead": _Ignored(_NO_SCHEDULER),
    "enableServiceLinks": _Ignored("", lambda _: True),  # true is the default, false is what happens
    "serviceAccountName": _Ignored(_NO_ACCOUNT, lambda value: value in ("", "default")),
    "serviceAccount": _Ignored(_NO_ACCOUNT, lambda value: value in ("", "default")),
    "automountServiceAccountToken": _Ignored(_NO_ACCOUNT),
    "dnsPolicy": _Ignored(
        "is treated as Default (the host's resolvers): there is no cluster DNS here",
        lambda value: value in ("", "Default"),
    ),
}
"""Field of a pod's spec to its warning."""


def warnings_of(spec: dict[str, Any]) -> Iterator[str]:
    """Yield one warning for each field of a pod's spec that is set and has no effect."""
    for name, ignored in IGNORED.items():
        value = spec.get(name)
        if value is not None and not ignored.is_silent(value):
            yield f"spec.{name}: {ignored.reason}"
