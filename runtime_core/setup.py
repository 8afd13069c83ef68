# SPDX-License-Identifier: Apache-2.0
"""Build the wheel: compile podinit into the package as a static binary.

The wheel holds one executable that no Python loads, so a single wheel serves every Python of an architecture:
it is tagged ``py3-none-<platform>`` and lands in platlib.
"""

import os
import platform
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildPodinit(build_py):
    """Compile podinit/ with its Makefile, next to the Python modules (in place for an editable install)."""

    def run(self) -> None:
        """Build podinit, then copy the modules."""
        package = HERE if self.editable_mode else Path(self.build_lib).resolve()
        target = package / "podwright" / "_bin" / "podinit"
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["make", "-s", "-C", str(HERE / "podinit"), f"OUT={target}"], check=True, env=os.environ)
        super().run()


class PlatformWheel(bdist_wheel):
    """A wheel for any Python 3 on this architecture; the binary is static, so glibc and musl hosts alike."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tag python3-none-linux of this machine's architecture."""
        machine = platform.machine()
        return "py3", "none", f"manylinux_2_17_{machine}.musllinux_1_1_{machine}"


class BinaryDistribution(Distribution):
    """Says that the wheel is not pure, so that it is installed in platlib."""

    def has_ext_modules(self) -> bool:
        """Return true: the wheel carries an ELF file."""
        return True


setup(cmdclass={"build_py": BuildPodinit, "bdist_wheel": PlatformWheel}, distclass=BinaryDistribution)
