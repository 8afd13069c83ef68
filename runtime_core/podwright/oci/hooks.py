# SPDX-License-Identifier: Apache-2.0
"""Hooks that run while a container is made, and the state that they read.

``poststart`` and ``poststop`` are run by those who start and delete the container, from the configuration itself.
"""

from __future__ import annotations

from podwright.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OF_PODINIT = ("prestart", "createRuntime", "createContainer", "startContainer")
_BEFORE_PIVOT = OF_PODINIT[:3]


def compile_hooks(hooks: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the hooks that podinit runs, by their phase."""
    return {
        phase: [
            {
                "path": hook["path"],
                # execv(3)'s rule is that there is an argv[0]; the runtime-spec says the same with other words
                "args": list(hook.get("args") or (hook["path"],)),
                "env": list(hook.get("env") or ()),
                "timeout": hook.get("timeout") or 0,
            }
            for hook in hooks.get(phase) or ()
        ]
        for phase in OF_PODINIT
    }


def any_before_pivot(compiled: Mapping[str, Any]) -> bool:
    """Tell whether a hook is to run before the root is changed."""
    return any(compiled[phase] for phase in _BEFORE_PIVOT)


def state_text(spec: Mapping[str, Any], container_id: str, bundle: str) -> str:
    """Return the container's state as JSON without its closing brace; podinit adds the status and the process."""
    state: dict[str, Any] = {"ociVersion": spec["ociVersion"], "id": container_id, "bundle": bundle}
    if spec.get("annotations"):
        state["annotations"] = spec["annotations"]
    return dumps(state)[:-1]
