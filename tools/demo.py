#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo (``make demo``): a pod of two containers from a playbook, played twice.

Compiles examples/demo/hello.c, makes an OCI image of it, imports that, plays examples/site.yml, shows the pod and what
its client wrote, and plays again. Ends with an error unless the client got answers and the second play changed nothing.
The pod keeps running for a look; ``--clean`` deletes it at the end.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from demo_image import make_layout

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
WORK = ROOT / ".cache" / "demo"
REFERENCE = "localhost/hello:demo"
POD = "hello"
PATIENCE = 30.0
WARNINGS = ("-std=gnu17", "-Wall", "-Wextra", "-Wshadow", "-Werror")
# the play names localhost itself, which Ansible warns about twice
QUIET = {"ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False"}


def fail(text: str) -> NoReturn:
    """End with one sentence."""
    sys.exit(f"demo: {text}")


def title(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)


def capture(*command: str | Path) -> str:
    """Run a command that must succeed and return what it printed."""
    child = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        fail(f"{' '.join(map(str, command))} ended with {child.returncode}")
    return child.stdout


def build_image() -> str:
    """Compile the demo's program, make an image layout of it and import that; return the image's digest."""
    WORK.mkdir(parents=True, exist_ok=True)
    compiler = shutil.which("musl-gcc") or "gcc"
    program, layout = WORK / "hello", WORK / "layout"
    capture(compiler, *WARNINGS, "-Os", "-static", "-s", "-o", program, ROOT / "examples/demo/hello.c")
    shutil.rmtree(layout, ignore_errors=True)
    make_layout(program, layout, REFERENCE)
    return capture(BIN / "podwright", "import", layout, REFERENCE).strip()


def play() -> int:
    """Play examples/site.yml, show Ansible's output and return the number of changes in its recap."""
    command = [BIN / "ansible-playbook", ROOT / "examples/site.yml"]
    environment = os.environ | QUIET
    child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    lines = []
    with child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    recap = re.search(r"^localhost .*\bchanged=(\d+) ", re.sub(r"\x1b\[[0-9;]*m", "", "".join(lines)), re.MULTILINE)
    if child.returncode or recap is None:
        fail(f"ansible-playbook ended with {child.returncode}")
    return int(recap[1])


def client_log() -> str:
    """Return the client's last lines, once it has had an answer from the server."""
    deadline = time.monotonic() + PATIENCE
    while True:
        text = capture(BIN / "podwright", "logs", POD, "-c", "client", "--tail", "5")
        if re.search(r"^Hello from hello, answer \d+$", text, re.MULTILINE):
            return text
        if time.monotonic() > deadline:
            fail(f"the client had no answer in {PATIENCE:.0f} s; its log ends with:\n{text}")
        time.sleep(0.2)


def main() -> int:
    """Run the demo from the compiler to the second recap."""
    parser = argparse.ArgumentParser(description="a pod of two containers from a playbook, played twice")
    parser.add_argument("--clean", action="store_true", help="delete the pod at the end")
    clean = parser.parse_args().clean
    if os.geteuid() != 0:
        fail("containers on this host need root: run `sudo make demo`")
    title(f"image {REFERENCE}, made here")
    print(build_image())
    title("ansible-playbook examples/site.yml")
    play()
    log = client_log()
    title("podwright get pods")
    print(capture(BIN / "podwright", "get", "pods"), end="")
    title(f"podwright logs {POD} -c client --tail 5")
    print(log, end="")
    title("the same play again")
    changes = play()
    if clean:
        capture(BIN / "podwright", "delete", "pod", POD, "--grace-period", "0")
    if changes:
        fail(f"the second play changed {changes} things, but must change nothing")
    if not clean:
        print("The pod keeps running. Look: .venv/bin/podwright get pods. End it: make demo-clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
