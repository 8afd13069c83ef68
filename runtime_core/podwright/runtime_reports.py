# SPDX-License-Identifier: Apache-2.0
"""``Runtime.reports``: what was said of a pod while it lives, by its supervisor and by others."""

from collections.abc import Callable
from typing import Any

from podwright.errors import HostError
from podwright.files import is_locked
from podwright.pods import conditions, events
from podwright.pods.store import PodStore, Record
from podwright.runtime_errors import host_errors


class Reports:
    """The events of pods, and conditions of theirs that only others know."""

    def __init__(self, store: PodStore, find: Callable[[str, str, str], Record]) -> None:
        self._store = store
        self._find = find

    @host_errors()
    def events(self, name: str, namespace: str = "default", kind: str = "Pod") -> list[dict[str, Any]]:
        """Return what happened to the containers of a pod (or to a container alone) as v1.Event, oldest first.

        Raises NotFound.
        """
        record = self._find(name, namespace, kind)
        return events.read(self._store.pod_dir(record.uid), record)

    @host_errors()
    def set_condition(self, name: str, condition: dict[str, str], namespace: str = "default") -> None:
        """Set a condition of a pod that runs, such as one that its readinessGates wait for.

        It has ``type``, ``status`` (True, False or Unknown) and perhaps ``reason`` and ``message``, and ends with the
        pod's life. Raises NotFound, HostError for a pod that does not run, and PodwrightError for no good condition.
        """
        conditions.check(condition)
        with self._store.locked(namespace, name, "Pod"):
            run_dir = self._store.run_dir(self._find(name, namespace, "Pod").uid)
            if not is_locked(f"{run_dir}/lock"):
                raise HostError(
                    f"pod {name} does not run, and so has no conditions; apply it", field="name", value=name
                )
            conditions.write(run_dir, condition)
