# SPDX-License-Identifier: Apache-2.0
"""What happened to a pod and its containers: the supervisor's ``events.log`` as Kubernetes' v1.Event."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from podwright.pods.store import Record


def read(pod_dir: str, record: Record) -> list[dict[str, Any]]:
    """Return the events of a pod, oldest first."""
    return [_event(entry, record, number) for number, entry in enumerate(_entries(pod_dir))]


def _entries(pod_dir: str) -> Iterator[dict[str, Any]]:
    for name in ("events.log.1", "events.log"):
        with contextlib.suppress(FileNotFoundError), open(f"{pod_dir}/{name}", "rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):  # cut short by a full disk
                    yield json.loads(line)


def _event(entry: dict[str, Any], record: Record, number: int) -> dict[str, Any]:
    container = entry["container"]
    first = any(item["name"] == container for item in record.init_containers)
    field = {"fieldPath": f"spec.{'initContainers' if first else 'containers'}{{{container}}}"} if container else {}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{record.name}.{number:x}", "namespace": record.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": record.kind,
            "namespace": record.namespace,
            "name": record.name,
            "uid": record.uid,
            **field,
        },
        "type": entry["type"],
        "reason": entry["reason"],
        "message": entry["message"],
        "source": {"component": "podwright"},
        "firstTimestamp": entry["time"],
        "lastTimestamp": entry["time"],
        "count": 1,
    }
