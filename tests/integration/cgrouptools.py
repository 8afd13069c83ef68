# SPDX-License-Identifier: Apache-2.0
"""Processes for the tests of cgroups."""

import contextlib
import subprocess
import time

FORK_STORM = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
OPEN = "import os, sys; os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK))"


@contextlib.contextmanager
def inside(directories, *command, **options):
    """Run a command that is in the groups before it starts; whatever happens, its first process ends with the test."""
    script = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'
    process = subprocess.Popen(["/bin/sh", "-c", script, "sh", *directories, "--", *command], **options)
    with contextlib.ExitStack() as ending:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                ending.callback(stream.close)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def eventually(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
