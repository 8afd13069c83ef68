# SPDX-License-Identifier: Apache-2.0
"""A podinit of Python for tests of what is around it: a real process in the caller's namespaces, without any steps.

``FAKE_FAULT`` in the plan's env makes it go wrong: the words are below.
"""

import array
import ctypes
import json
import os
import pty
import signal
import socket
import sys
import time

CLONE_PARENT, SYS_CLONE = 0x8000, 56


def clone_sibling():
    """Like fork(), but the child belongs to whoever has spawned this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(SYS_CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)


def start_time(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def report(message):
    os.write(3, json.dumps(message).encode() + b"\n")


def enter_cgroups(plan):
    for directory in plan["cgroups"]:
        with open(f"{directory}/cgroup.procs", "w") as file:
            file.write("0")


def run_program(plan, preserved):
    if plan["terminal"] is not None:
        master, slave = pty.openpty()
        with socket.socket(fileno=4) as console:
            rights = array.array("i", [master])
            console.sendmsg([b"/dev/ptmx"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        os.setsid()
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
    return [os.dup(fd) for fd in range(5, 5 + preserved)]


def execute(plan, kept):
    for target, source in enumerate(kept, 3):
        os.dup2(source, target)
    environment = dict(entry.split("=", 1) for entry in plan["env"])
    os.chdir(plan["cwd"])
    os.execvpe(plan["args"][0], plan["args"], environment)


def wait_for_start(listener):
    listener.listen()  # again, so that whoever connects sees this process as the peer
    while True:
        connection, _ = listener.accept()
        if connection.recv(1) == b"\0":
            listener.close()
            return connection
        connection.close()


def create(folder, preserved):
    with open(f"{folder}/plan.json") as file:
        plan = json.load(file)
    fault = next((entry.partition("=")[2] for entry in plan["env"] if entry.startswith("FAKE_FAULT=")), "")
    if fault == "create":
        report({"status": "error", "message": "mounts[0] cannot be mounted"})
        sys.exit(1)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{folder}/start.sock")
    listener.listen()
    if fault == "hang":
        time.sleep(600)
    if clone_sibling() == 0:
        kept = run_program(plan, preserved)
        enter_cgroups(plan)
        report({"status": "ok", "pid": os.getpid(), "startTime": start_time(os.getpid())})
        os.close(3)
        connection = wait_for_start(listener)
        try:
            execute(plan, kept)
        except OSError as error:
            connection.send(f"cannot execute {plan['args'][0]}: {error.strerror}".encode())
            os._exit(1)


def execute_beside(path, preserved):
    with open(path) as file:
        plan = json.load(file)
    if clone_sibling() == 0:
        kept = run_program(plan, preserved)
        enter_cgroups(plan)
        report({"status": "ok", "pid": os.getpid(), "startTime": start_time(os.getpid())})
        os.close(3)
        execute(plan, kept)


{"create": create, "exec": execute_beside}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
