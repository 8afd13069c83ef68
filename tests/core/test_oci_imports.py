# SPDX-License-Identifier: Apache-2.0
"""What an OCI command has to load: a bare interpreter takes 10 ms, and typing or re as much again."""

import subprocess
import sys
from pathlib import Path

import podwright

MODULES = ("bundle", "plan", "exec_plan", "features", "default_spec", "schema", "hooks", "mount", "mount_options",
           "cgroup_mount", "devices", "namespaces", "process", "scheduling", "sysctl", "lsm")  # fmt: skip
HEAVY = ("typing", "re", "json", "enum", "dataclasses", "collections", "functools", "contextlib", "argparse",
         "subprocess", "logging", "tempfile", "shutil", "signal", "pathlib", "hashlib")  # fmt: skip
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2].split(","):
    __import__(f"podwright.oci.{name}")
from podwright.oci.default_spec import default_spec
from podwright.oci.bundle import Bundle
from podwright.oci.plan import compile_bundle
from podwright.oci.schema import check_config
spec = default_spec()
check_config(spec)
compile_bundle(Bundle("/b", "/b/rootfs", spec, b""), container_id="c", cgroups=[])
print([name for name in sys.argv[3].split(",") if name in sys.modules])
"""


def test_the_oci_command_loads_nothing_heavy():
    root = str(Path(podwright.__file__).parent.parent)
    argv = [sys.executable, "-I", "-S", "-c", PROGRAM, root, ",".join(MODULES), ",".join(HEAVY)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "[]\n"
