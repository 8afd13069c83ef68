# SPDX-License-Identifier: Apache-2.0
"""Run the command line and die by SIGKILL at its N-th touch of the outside world.

``python killer.py N podwright-arguments…``. The touches are the interpreter's audit events that change or ask the host:
files opened for writing, renames, folders, spawned processes, sockets. With N = 0 it runs to its end and prints how
many there were on the last line of stderr.
"""

import os
import signal
import sys
from collections.abc import Callable

EVENTS = {
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.posix_spawn", "os.truncate", "socket.connect", "fcntl.flock",
    "os.chmod", "os.link", "os.symlink", "os.setxattr",
}  # fmt: skip


def arm(fatal: int) -> Callable[[], int]:
    """From now on, count the touches and die at that one; returns what tells their number."""
    count = 0

    def hook(event: str, details: tuple) -> None:
        nonlocal count
        if event in EVENTS or (event == "open" and isinstance(details[2], int) and details[2] & os.O_ACCMODE):
            count += 1
            if count == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: count


def main() -> int:
    from podwright.cli.main import main as podwright

    count = arm(int(sys.argv[1]))
    code = podwright(sys.argv[2:])
    print(count(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
