# SPDX-License-Identifier: Apache-2.0
"""The repository keeps its own rules: licences, the lock, the demo's image, what the check runner counts."""

import json
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check  # noqa: E402 - tools/ is no package
import demo_image  # noqa: E402
import steps  # noqa: E402


def repository_files(*patterns: str) -> list[Path]:
    """Return the files that git knows, or would add, without those that are gone."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_every_source_file_names_its_licence():
    wrong = []
    for path in repository_files("*.py", "*.c", "*.h", "*.sh", "*Makefile", ".ci/run"):
        top = path.relative_to(ROOT).parts[0]
        licence = "GPL-3.0-or-later" if top in ("plugins", "roles") else "Apache-2.0"
        head = "\n".join(path.read_text().splitlines()[:8])
        if path.stat().st_size and not re.search(
            rf"SPDX-License-Identifier: {re.escape(licence)}$", head, re.MULTILINE
        ):
            wrong.append(f"{path.relative_to(ROOT)}: expected {licence}")
    assert wrong == []


def test_the_licences_are_here_in_full():
    assert "Apache License" in (ROOT / "LICENSES/Apache-2.0.txt").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSES/GPL-3.0-or-later.txt").read_text()


def wanted_packages() -> list[Requirement]:
    lines = (ROOT / "requirements/ci.in").read_text().splitlines()
    for project in ("runtime_core", "pulumi_provider"):
        declared = tomllib.loads((ROOT / project / "pyproject.toml").read_text())["project"]
        for items in (declared["dependencies"], *declared.get("optional-dependencies", {}).values()):
            lines += items
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_the_lock_satisfies_every_dependency():
    lines = (ROOT / "requirements/ci.txt").read_text().splitlines()
    locked = {
        r.name.lower(): next(iter(r.specifier)).version for line in lines if line[0] != "#" for r in [Requirement(line)]
    }
    for wanted in wanted_packages():
        if wanted.name == "podwright":
            continue
        version = locked.get(wanted.name.lower())
        assert version and Version(version) in wanted.specifier, f"{wanted}: run `make lock` (locked is {version})"


def test_no_file_names_a_package_registry_or_a_build_machine():
    names = re.compile("|".join(["pypi" + r"\.org", "pythonhosted" + r"\.org", r"deb\.debian\.org", "/work" + "/main"]))
    found = [
        str(path.relative_to(ROOT)) for path in repository_files() if names.search(path.read_text(errors="replace"))
    ]
    assert found == []


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "hello").write_bytes(b"\x7fELF and so on")
    demo_image.make_layout(tmp_path / "hello", tmp_path / "layout", "localhost/hello:demo")
    return tmp_path / "layout"


def test_the_demo_image_is_an_oci_layout(layout):
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]).read_text())
    config = json.loads(blob(layout, manifest["config"]).read_text())
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    with tarfile.open(blob(layout, manifest["layers"][0])) as tar:
        assert [(member.name, member.mode, member.mtime) for member in tar] == [
            ("bin", 0o755, 0),
            ("bin/hello", 0o755, 0),
        ]


def blob(layout: Path, descriptor: dict) -> Path:
    path = layout / "blobs" / descriptor["digest"].replace(":", "/")
    assert path.stat().st_size == descriptor["size"]
    return path


def test_the_demo_image_is_the_same_everywhere(layout, tmp_path):
    again = demo_image.make_layout(tmp_path / "hello", tmp_path / "again", "localhost/hello:demo")
    assert again == json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]


REPORT = """<testsuites><testsuite>
<testcase classname="tests.core.test_a" name="test_good"/>
<testcase classname="tests.core.test_a" name="test_bad"><failure message="no"/></testcase>
<testcase classname="tests.core.test_a" name="test_not_here"><skipped message="needs KVM, which is absent"/></testcase>
</testsuite></testsuites>"""


def test_the_runner_counts_what_pytest_reports(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    skip = check.Skip("tests.core.test_a.test_not_here", "needs KVM, which is absent")
    assert check._counts(tmp_path / "report.xml") == (1, 1, (skip,))


def test_a_missing_report_is_a_failure(tmp_path):
    assert check._counts(tmp_path / "report.xml") == (0, 1, ())


def test_an_unknown_skip_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "ALLOWED_SKIPS", tmp_path / "allowed")
    known, unknown = check.Skip("a.test_known", "needs KVM here"), check.Skip("a.test_unknown", "just so")
    (tmp_path / "allowed").write_text("# remark\na.test_known: needs KVM\na.test_unknown: another reason\n")
    outcome = check.Outcome(steps.STEPS[0], 1.0, 3, 0, (known, unknown))
    assert check.summarise([outcome]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed, 1 skipped"


@pytest.mark.parametrize(("uid", "failed"), [(0, 1), (1000, 0)])
def test_a_test_that_needs_root_may_be_skipped_by_others(monkeypatch, uid, failed):
    monkeypatch.setattr(check.os, "geteuid", lambda: uid)
    skip = check.Skip("a.test_device", "needs root to make a device node")
    assert check.summarise([check.Outcome(steps.STEPS[0], 1.0, 3, 0, (skip,))]) == failed


def test_a_step_that_fails_shows_its_output(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "LOGS", tmp_path)
    outcome = check.run_step(steps.Step("broken", "x", ["sh", "-c", "echo what went wrong; exit 3"]))
    assert (outcome.passed, outcome.failed) == (0, 1)
    assert "what went wrong" in capsys.readouterr().out


def test_a_step_that_hangs_is_ended_with_its_children(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "LOGS", tmp_path)
    hang = steps.Step("hanging", "x", ["sh", "-c", "sleep 1000 & wait"], minutes=0.005)
    assert check.run_step(hang).failed == 1
    assert "after its limit" in capsys.readouterr().out


def test_the_readme_shows_the_example():
    shown = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(shown[0]) == yaml.safe_load((ROOT / "examples/pod.yaml").read_text())
    (play,) = yaml.safe_load((ROOT / "examples/site.yml").read_text())
    assert yaml.safe_load(shown[1]) == play["tasks"]


def test_every_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets
