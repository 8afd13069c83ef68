# SPDX-License-Identifier: Apache-2.0
"""What ``get pods`` and ``images`` print: kubectl's columns, or JSON."""

import calendar
import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from podwright.images.store import Image

if TYPE_CHECKING:
    from podwright.images.upkeep.usage import Usage


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    print(json.dumps(value, indent=2))


def print_pods(pods: list[dict[str, Any]]) -> None:
    """Print one line a pod (or container alone): name, ready containers, what it does, restarts, age and address."""
    rows = [("NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP")]
    for pod in pods:
        status = pod["status"]
        metadata = pod.get("metadata", pod)  # a container has its name beside its other fields
        containers = status["containerStatuses"]
        ready = sum(item["ready"] for item in containers)
        rows.append(
            (
                metadata["name"],
                f"{ready}/{len(containers)}",
                _summary(status),
                str(sum(item["restartCount"] for item in containers)),
                _age(metadata["creationTimestamp"]),
                status.get("podIP", "<none>"),
            )
        )
    _print_table(rows)


def print_events(events: list[dict[str, Any]]) -> None:
    """Print one line an event: how long ago, type, reason, the container, and what there is to say."""
    rows = [("AGE", "TYPE", "REASON", "CONTAINER", "MESSAGE")]
    for event in events:
        container = event["involvedObject"].get("fieldPath", "").partition("{")[2].rstrip("}")
        message = " ".join(event["message"].split())
        rows.append((_age(event["lastTimestamp"]), event["type"], event["reason"], container, message))
    _print_table(rows)


def print_objects(kind: str, objects: list[dict[str, Any]]) -> None:
    """Print one line a Secret, with its type, or a ConfigMap, with how many values it has."""
    rows = [("NAME", "TYPE" if kind == "Secret" else "DATA")]
    for one in objects:
        count = len(one.get("data", ())) + len(one.get("binaryData", ()))
        rows.append((one["metadata"]["name"], one.get("type", str(count))))
    _print_table(rows)


def print_claims(claims: Iterable[tuple[dict[str, Any], list[str]]]) -> None:
    """Print one line a persistent volume: what its claim asked for, and who names it."""
    rows = [("NAME", "REQUESTED", "ACCESS MODES", "USED BY")]
    for claim, users in claims:
        spec = claim["spec"]
        asked = spec.get("resources", {}).get("requests", {}).get("storage", "<none>")
        modes = ",".join(spec.get("accessModes", ())) or "<none>"
        rows.append((claim["metadata"]["name"], asked, modes, ", ".join(users) or "<none>"))
    _print_table(rows)


def print_images(images: list[Image]) -> None:
    """Print one line an image: reference, digest and size of what was downloaded."""
    rows = [("IMAGE", "PLATFORM", "DIGEST", "SIZE")]
    rows += [(image.reference, image.platform, image.digest[:19], megabytes(image.size)) for image in images]
    _print_table(rows)


def print_usage(usage: "Usage") -> None:
    """Print one line an image, with what it takes of the disk, then what all of them take."""
    rows = [("IMAGE", "SIZE", "SHARED", "USED BY")]
    for image in usage.images:
        users = ", ".join(image.users) or "<none>"
        rows.append((image.reference, megabytes(image.size), megabytes(image.shared), users))
    _print_table(rows)
    print(
        f"downloads {megabytes(usage.blob_size)}, layers {megabytes(usage.layer_size)}; "
        f"prune would free {megabytes(usage.reclaimable)}, prune --all {megabytes(usage.reclaimable_all)}"
    )


def megabytes(size: int) -> str:
    """Return a number of bytes for a person."""
    return f"{size / 1e6:.1f} MB"


def _print_table(rows: list[Any]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _summary(status: dict[str, Any]) -> str:
    """Return the reason of the first container that is not well, else the phase, as kubectl does."""
    for item in status["containerStatuses"]:
        kind, detail = next(iter(item["state"].items()))
        if kind != "running" and status["phase"] != "Succeeded":
            return str(detail.get("reason", status["phase"]))
    return str(status["phase"])


def _age(timestamp: str) -> str:
    seconds = int(time.time() - calendar.timegm(time.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ")))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
