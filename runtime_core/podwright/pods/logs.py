# SPDX-License-Identifier: Apache-2.0
"""Reading the logs of containers: CRI's format, one file a start (kubelet's cri-client/pkg/logs)."""

import os
from collections import deque
from collections.abc import Iterable, Iterator


def read_log(directory: str, *, tail: int | None = None) -> list[str]:
    """Return the lines of the newest log in ``directory``, without their time stamps; ``tail`` keeps the last ones."""
    try:
        runs = [int(name[:-4]) for name in os.listdir(directory) if name.endswith(".log") and name[:-4].isdigit()]
    except FileNotFoundError:
        return []
    if not runs:
        return []
    with open(f"{directory}/{max(runs)}.log", "rb") as file:
        return list(deque(_lines(file), maxlen=tail))


def _lines(entries: Iterable[bytes]) -> Iterator[str]:
    """Join partial entries (tag P) with what follows on the same stream."""
    pending: dict[bytes, bytes] = {}
    for entry in entries:
        parts = entry.rstrip(b"\n").split(b" ", 3)
        if len(parts) < 3:
            continue  # a line cut short by a full disk
        stream, tag, text = parts[1], parts[2], parts[3] if len(parts) == 4 else b""
        text = pending.pop(stream, b"") + text
        if tag.split(b":")[0] == b"P":
            pending[stream] = text
        else:
            yield text.decode("utf-8", "replace")
    for text in pending.values():
        yield text.decode("utf-8", "replace")
