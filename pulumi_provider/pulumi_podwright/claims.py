# SPDX-License-Identifier: Apache-2.0
"""Which pods the resources of this ``up`` brought up, so that a delete in the same ``up`` leaves them alone.

The engine creates before it deletes. When a resource got another name in the program, or is to be replaced on demand,
old and new have the same pod: the new one adopted it, and the delete of the old one would take it away. The engine
starts the provider's process for one operation, so what is remembered here ends with it.
"""

import threading

_claimed: set[str] = set()
_lock = threading.Lock()


def claim(id_: str) -> bool:
    """Note that a resource has the pod now; tell whether it is the first one in this operation."""
    with _lock:
        first = id_ not in _claimed
        _claimed.add(id_)
        return first


def is_claimed(id_: str) -> bool:
    """Tell whether a resource of this operation has the pod."""
    with _lock:
        return id_ in _claimed
