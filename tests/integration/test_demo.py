# SPDX-License-Identifier: Apache-2.0
"""What the README promises first: `make demo`, here in an installation of its own and cleaned up at the end."""

import os
import re
import subprocess
import sys
from pathlib import Path

from hosttools import Host

ROOT = Path(__file__).resolve().parents[2]


def demo(host: Host) -> subprocess.CompletedProcess[str]:
    environment = host.env | {"LC_ALL": "C.UTF-8", "PATH": f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, ROOT / "tools/demo.py", "--clean"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_the_demo_changes_once_and_then_nothing(host):
    done = demo(host)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^localhost .*changed=(\d+) .*failed=(\d+)", done.stdout, re.MULTILINE) == [
        ("1", "0"),
        ("0", "0"),
    ]
    assert re.search(r"^hello +2/2 +Running", done.stdout, re.MULTILINE)
    assert re.search(r"^Hello from hello, answer \d+$", done.stdout, re.MULTILINE)
    assert host.pods() == []
