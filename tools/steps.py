# SPDX-License-Identifier: Apache-2.0
"""The steps of ``make test``, in order: the quick ones first. tools/check.py runs them."""

from typing import NamedTuple


class Step(NamedTuple):
    """One check: a command that ends with 0 when all is well."""

    name: str
    group: str
    command: list[str]
    minutes: float = 5
    """When it is ended as hung."""
    pytest: bool = False
    """Whether its tests are to be counted."""
    folder: str = "."
    show: bool = False
    """Whether to show what it printed also when all is well."""


def _pytest(name: str, minutes: float) -> Step:
    return Step(name, name, ["python", "-m", "pytest", "-q", f"tests/{name}"], minutes, pytest=True)


STEPS = (
    Step("format", "lint", ["ruff", "format", "--check", "--quiet", "."]),
    Step("ruff", "lint", ["ruff", "check", "--quiet", "."]),
    Step("mypy", "lint", ["mypy"]),
    Step("imports", "lint", ["lint-imports"]),
    # setup compiled podinit with musl-gcc already; this is glibc's headers, other warnings and the sanitizers
    Step("podinit-asan", "lint", ["make", "-s", "-C", "runtime_core/podinit", "asan"]),
    _pytest("core", 10),
    Step("ansible-lint", "ansible", ["ansible-lint", "--offline", "--profile", "production"], 10),
    # where they are not there yet: three minutes to compile
    Step("signing", "integration", ["python", "tests/integration/signing/programs.py"], 20),
    _pytest("integration", 30),
    _pytest("parity", 5),
    _pytest("faults", 15),
    Step("molecule", "molecule", ["molecule", "test"], 15, folder="roles/host"),
    Step("benchmark", "benchmark", ["python", "benchmarks/pod_up.py", "--pairs", "3"], 10, show=True),
    Step("oci-benchmark", "benchmark", ["python", "benchmarks/oci_run.py", "--rounds", "7"], 5, show=True),
    # its image is made first, if it is not there: three minutes
    Step("pull-benchmark", "benchmark", ["python", "benchmarks/pull.py", "--rounds", "2"], 15, show=True),
    # where they are not there yet: half a minute to compile, and two for the guest's disk
    Step("oci-validation", "conformance", ["python", "tests/conformance/oci/build.py"], 10),
    # likewise: three minutes
    Step("programs", "conformance", ["python", "tests/conformance/pods/programs.py"], 15),
    _pytest("conformance", 25),
    Step("guest", "vm", ["python", "tests/vm/recipe.py"], 15),
    _pytest("vm", 25),
    # last: where there is no Pulumi engine yet, it is compiled, which takes five to ten minutes
    Step("pulumi-engine", "pulumi", ["python", "tests/pulumi/engine/build.py"], 30),
    _pytest("pulumi", 20),
)
