# SPDX-License-Identifier: Apache-2.0
"""Plays with real pods: what an operator sees, and what it does to the host."""

import sys

import yaml
from ansible_collections.podwright.runtime.plugins.modules import pod as pod_module

from ansibletools import CORE, NO_MODULE, own, task
from podtools import container, eventually, pod, statuses


def web(greeting="hello"):
    env = [{"name": "GREETING", "value": greeting}]
    return pod("web", container("server", "exec sleep 100000", env=env), container("client", "exec sleep 100000"))


def present(name, manifest, keywords=None, /, **options):
    return task(name, {"definition": manifest, "executable": CORE, **options}, keywords)


def absent(name, /, **options):
    return task(name, {"state": "absent", "executable": CORE, **options})


def container_ids(machine):
    return {name: status["containerID"] for name, status in statuses(machine.pod("web")).items()}


def settled(machine):
    """Return what is there once the last process, which has answered already, is gone too."""
    eventually(lambda: not machine.processes(), "the end of every process")
    return machine.snapshot()


def test_the_same_play_three_times(playing):
    plays = [playing(present("web", web())) for _ in range(3)]
    assert [played.changed for played in plays] == [1, 0, 0]
    assert [played.results["web"]["action"] for played in plays] == ["create", "none", "none"]
    first, _second, third = (played.results["web"]["pod"] for played in plays)
    assert first["status"]["phase"] == "Running"
    assert first["metadata"]["uid"] == third["metadata"]["uid"]


def test_check_and_diff_show_an_edit_and_the_real_run_does_just_that(machine, playing):
    playing(present("web", web()))
    before, ids = machine.snapshot(), container_ids(machine)
    predicted = playing(present("web", web("good evening")), options=("--check", "--diff"))
    assert predicted.changed == 1
    lines = [
        line for line in predicted.text.splitlines() if line.startswith(("-", "+")) and line[:3] not in ("---", "+++")
    ]
    assert len(lines) == 2
    assert lines[0].startswith("-") and "hello" in lines[0]
    assert lines[1].startswith("+") and "good evening" in lines[1]
    path = "spec.containers[server].env[GREETING].value"
    change = {"path": path, "before": "hello", "after": "good evening", "effect": "restart container server"}
    assert predicted.results["web"]["changes"] == [change]
    assert predicted.results["web"]["pod"] is None
    assert machine.snapshot() == before
    assert container_ids(machine) == ids

    real = playing(present("web", web("good evening")))
    assert real.results["web"]["changes"] == [change]
    assert container_ids(machine)["client"] == ids["client"]
    assert container_ids(machine)["server"] != ids["server"]
    assert playing(present("web", web("good evening")), options=("--check", "--diff")).changed == 0


def test_check_mode_creates_and_removes_nothing(machine, playing):
    before = machine.snapshot()
    assert playing(present("web", web()), options=("--check",)).results["web"]["action"] == "create"
    assert machine.snapshot() == before
    playing(present("web", web()))
    running = machine.snapshot()
    removal = playing(absent("gone", name="web"), options=("--check", "--diff"))
    assert removal.changed == 1
    assert removal.results["gone"]["action"] == "delete"
    assert machine.snapshot() == running


def test_absent_twice_leaves_nothing(machine, playing, tmp_path):
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(web()))
    machine.apply(web())
    machine.delete("web")
    before = settled(machine)  # with what is the installation's own: the bridge, its NAT, the image's layers
    tasks = []
    for which, options in (("name", {"name": "web"}), ("dict", {"definition": web()}), ("file", {"src": "web.yaml"})):
        tasks += [task(f"{which}0", {"src": "web.yaml", "executable": CORE})]
        tasks += [absent(f"{which}{number}", **options) for number in (1, 2)]
    results = playing(*tasks).results
    assert [results[item["register"]]["changed"] for item in tasks] == [True, True, False] * 3
    assert results["name1"]["pod"] is None
    assert settled(machine) == before


def test_the_ordinary_module_gives_the_same_result(playing):
    """Apply through the fast lane, then ask both lanes what they see."""
    playing(present("web", web()))
    edited = web("good evening")
    both = playing(
        present("fast", edited, {"check_mode": True, "diff": True}),
        present(
            "module",
            edited,
            {"check_mode": True, "diff": True, "vars": {"ansible_python_interpreter": sys.executable}},
            executable="/none",
        ),
        ansible_python_interpreter="/nonexistent/python",
    ).results
    assert own(both["fast"]) == own(both["module"])
    assert both["fast"]["changed"]


def test_in_the_background(playing, tmp_path):
    tasks = [present("later", web(), {"async": 60, "poll": 1}), present("now", web())]
    results = playing(*tasks, ansible_python_interpreter=sys.executable, ansible_async_dir=f"{tmp_path}/jobs").results
    assert results["later"]["action"] == "create"
    assert results["now"]["action"] == "none"
    assert results["later"]["pod"]["metadata"]["uid"] == results["now"]["pod"]["metadata"]["uid"]


def test_as_another_user(playing):
    """Su gets no pipelining, so that the request goes through a file."""
    environment = {"ANSIBLE_BECOME_ALLOW_SAME_USER": "1", "ANSIBLE_KEEP_REMOTE_FILES": "0"}
    su = {"become": True, "become_method": "ansible.builtin.su", "environment": {"PODWRIGHT_CONFIG": "{{ config }}"}}
    results = playing(
        present("web", web(), su),
        environment=environment,
        config="{{ lookup('ansible.builtin.env', 'PODWRIGHT_CONFIG') }}",
        **NO_MODULE,
    ).results
    assert results["web"]["action"] == "create", results["web"]


def test_a_bad_definition_creates_nothing(machine, playing):
    unknown = web()
    unknown["spec"]["containers"][0]["imgae"] = "x"
    bad_name = web()
    bad_name["metadata"]["name"] = "Web_1"
    before = machine.snapshot()
    results = playing(present("unknown", unknown), present("name", bad_name)).results
    assert results["unknown"]["failed"]
    assert results["unknown"]["error"]["field"] == "spec.containers[0].imgae"
    assert "imgae" in results["unknown"]["msg"]
    assert results["name"]["failed"]
    assert results["name"]["error"] == {"type": "ManifestError", "field": "metadata.name", "value": "Web_1"}
    assert machine.snapshot() == before


def test_the_wait_ends(machine, playing):
    broken = pod("broken", container("one", "/bin/none"))
    results = playing(present("waits", broken, wait_timeout=2), present("does-not", broken, wait=False)).results
    assert results["waits"]["failed"]
    assert results["waits"]["error"]["type"] == "WaitTimeout"
    assert results["waits"]["changed"], "the pod was made, though it is not ready"
    assert results["waits"]["pod"]["status"]["phase"] == "Running"
    assert "broken" in results["waits"]["msg"]
    assert not results["does-not"]["failed"]
    assert machine.pod("broken")["status"]["phase"] != "Succeeded"


def test_the_examples_of_the_documentation(machine, playing, layout, tmp_path):
    tasks = yaml.safe_load(pod_module.EXAMPLES)
    definition = tasks[0]["podwright.runtime.pod"]["definition"]
    definition["spec"]["terminationGracePeriodSeconds"] = 0
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(definition))
    for item in definition["spec"]["containers"]:
        machine.run("import", layout, item["image"])
    for number, example in enumerate(tasks):
        if "podwright.runtime.pod" in example:
            example["podwright.runtime.pod"]["executable"] = CORE
        example.setdefault("register", f"task{number}")
        example["name"] = example["register"]
    results = playing(*tasks, ansible_python_interpreter=sys.executable).results
    assert [results[example["name"]]["changed"] for example in tasks] == [True, False, False, True, False]
    assert results["task2"]["msg"] == results["web"]["pod"]["status"]["podIP"]
