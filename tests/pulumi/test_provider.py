# SPDX-License-Identifier: Apache-2.0
"""check and diff, which look at nothing but their arguments, and the provider as the engine stores it."""

import json
import subprocess
import sys

import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import UNKNOWN

from pods import server, web
from pulumi_podwright import inputs
from pulumi_podwright.provider import PodProvider

SERIALIZE = (
    "from pulumi.dynamic.dynamic import serialize_provider; from pulumi_podwright.provider import PodProvider;"
    "print(serialize_provider(PodProvider()))"
)


def check(manifest, **others):
    return PodProvider().check({}, {"manifest": manifest, **others})


def checked(manifest):
    result = check(manifest)
    assert result.failures == []
    return result.inputs


def failure(manifest, **others):
    (only,) = check(manifest, **others).failures
    return only


def diff(old, new):
    return PodProvider().diff("default/web", {**checked(old), "uid": "1", "phase": "Running"}, checked(new))


def as_engine(value):
    return json.loads(json.dumps(value), parse_int=float)


# check


def test_the_manifest_comes_back_as_canonical_json_with_its_defaults():
    text = checked(web())["manifest"]
    pod = json.loads(text)
    assert pod["spec"]["restartPolicy"] == "Always"
    assert text == json.dumps(pod, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert inputs.manifest_of({"manifest": text}) == pod


def test_a_checked_manifest_checks_to_itself():
    once = checked(web())
    assert PodProvider().check(once, once).inputs == once


def test_floats_of_the_engine_make_no_difference():
    assert checked(as_engine(web())) == checked(web())
    assert '"containerPort":8080' in checked(as_engine(web()))["manifest"]


def test_missing_settings_get_their_defaults():
    assert {key: checked(web())[key] for key in ("wait", "waitTimeout")} == {"wait": True, "waitTimeout": 120}


def test_a_wrong_manifest_fails_naming_the_field():
    pod = web()
    server(pod)["imagePullPolicy"] = "Sometimes"
    found = failure(pod)
    assert found.property == ""
    assert "spec.containers[0].imagePullPolicy" in found.reason
    assert "Sometimes" in found.reason
    assert "\n" not in found.reason


def test_an_unknown_field_fails():
    pod = web()
    server(pod)["imagge"] = "x"
    assert "spec.containers[0].imagge" in failure(pod).reason


@pytest.mark.parametrize("manifest", [None, "not JSON", "[1]", 3.0, []])
def test_what_is_no_manifest_fails(manifest):
    found = failure(manifest)
    assert found.property == ""
    assert found.reason.startswith("manifest is ")


def test_no_manifest_at_all_fails():
    (found,) = PodProvider().check({}, {}).failures
    assert found.property == ""


@pytest.mark.parametrize("value", [0.0, -1.0, "10", True, float("nan"), float("inf")])
def test_a_wrong_timeout_fails(value):
    assert failure(web(), waitTimeout=value).property == "waitTimeout"


def test_a_wrong_wait_fails():
    assert failure(web(), wait="yes").property == "wait"


@pytest.mark.parametrize("place", ["image", "imagePullPolicy", "ports", "name", "command"])
def test_unknown_parts_are_not_judged(place):
    pod = web()
    server(pod)[place] = UNKNOWN
    result = check(pod)
    assert result.failures == []
    assert result.inputs["manifest"] is UNKNOWN


@pytest.mark.parametrize(
    ("manifest", "others"),
    [
        (UNKNOWN, {}),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": UNKNOWN, "spec": UNKNOWN}, {}),
        (web(name=UNKNOWN), {}),
        (web(), {"wait": UNKNOWN, "waitTimeout": UNKNOWN}),
    ],
)
def test_anything_may_be_unknown(manifest, others):
    assert check(manifest, **others).failures == []


def test_known_parts_beside_unknown_ones_are_judged():
    pod = web()
    server(pod)["image"] = UNKNOWN
    server(pod)["env"] = [{"name": "A", "value": UNKNOWN}]
    pod["spec"]["containers"][1]["imagge"] = "x"
    assert "spec.containers[1].imagge" in failure(pod).reason


def test_what_has_no_effect_is_told(capsys):
    pod = web()
    pod["spec"]["schedulerName"] = "other"
    assert check(pod).failures == []
    assert "warning: spec.schedulerName: has no effect here" in capsys.readouterr().err


# diff


def test_the_same_manifest_is_no_change():
    result = diff(web(), as_engine(web()))
    assert result.changes is False
    assert not result.replaces


def test_an_edit_is_an_update():
    new = web()
    server(new)["env"][0]["value"] = "bonjour"
    result = diff(web(), new)
    assert result.changes is True
    assert not result.replaces
    assert PodProvider().changed_fields(checked(web()), checked(new)) == ["spec.containers[server].env[GREETING].value"]


def test_a_removed_field_is_a_change():
    new = web()
    del server(new)["env"]
    assert diff(web(), new).changes is True


@pytest.mark.parametrize("metadata", [{"name": "other"}, {"namespace": "other"}])
def test_another_name_is_another_pod_and_the_old_goes_first(metadata):
    result = diff(web(), web(**metadata))
    assert (result.changes, result.replaces, result.delete_before_replace) == (True, ["manifest"], True)


def test_what_is_not_known_yet_is_a_change():
    pod = web()
    server(pod)["image"] = UNKNOWN
    assert diff(web(), pod).changes is True


def test_a_change_of_the_waiting_alone_changes_no_pod():
    old, new = checked(web()), {**checked(web()), "wait": False, "waitTimeout": 5.0}
    assert PodProvider().diff("default/web", old, new).changes is False


def test_drift_that_a_refresh_found_is_healed():
    old = {**checked(web()), "drift": ["status: the supervisor is gone"]}
    assert PodProvider().diff("default/web", old, checked(web())).changes is True


def test_images_that_are_always_pulled_are_not_a_change():
    pod = web()
    server(pod)["imagePullPolicy"] = "Always"
    assert diff(pod, pod).changes is False


# the provider in the engine's state


def test_the_provider_is_stored_as_a_reference_that_never_differs():
    here = serialize_provider(PodProvider())
    there = subprocess.run([sys.executable, "-c", SERIALIZE], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there
    assert len(here) < 120
    assert PodProvider.serialize_as_secret_always is False


def test_the_provider_imports_nothing_heavy():
    code = (
        "import sys, pulumi.dynamic; before = set(sys.modules); import pulumi_podwright.provider;"
        "print(*sorted(set(sys.modules) - before))"
    )
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in imported if not name.startswith("pulumi_podwright")] == []
