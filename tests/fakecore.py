# SPDX-License-Identifier: Apache-2.0
"""A core for plays that answers what a test wrote down, and keeps what it was asked."""

import json
import sys

# Says what it was asked, then answers what stands beside it.
CORE = """#!{python} -I
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/seen.json", "w") as file:
    data = sys.stdin.read()
    folder = os.path.dirname(os.readlink("/proc/self/fd/0"))  # of the request, when it came in a file
    mode = oct(os.stat(folder).st_mode & 0o777) if folder else None
    greeting = os.environ.get("GREETING")
    json.dump({{"argv": sys.argv[1:], "request": json.loads(data), "greeting": greeting, "mode": mode}}, file)
with open(here + "/answer.json") as file:
    answer = json.load(file)
sys.stderr.write(answer["stderr"])
sys.stdout.write(answer["stdout"])
sys.exit(answer["rc"])
"""


def ok(result):
    return {"stdout": json.dumps({"status": "ok", "result": result}), "stderr": "", "rc": 0}


def error(**fields):
    return {"stdout": json.dumps({"status": "error", "error": fields}), "stderr": "", "rc": 0}


def install_core(folder, answer):
    folder.mkdir(parents=True)
    (folder / "podwright").write_text(CORE.format(python=sys.executable))
    (folder / "podwright").chmod(0o755)
    (folder / "answer.json").write_text(json.dumps(answer))


def seen(folder):
    path = folder / "seen.json"
    return json.loads(path.read_text()) if path.exists() else None
