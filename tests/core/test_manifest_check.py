# SPDX-License-Identifier: Apache-2.0
"""The fast check says yes exactly when the models do."""

from typing import Any

import pydantic
import pytest
from hypothesis import example, given, settings

from manifesttools import SMALL, good_pods, odd_pods, pod, with_container, with_metadata
from podwright.manifest import check
from podwright.manifest.explain import explain
from podwright.manifest.models import Pod
from podwright.manifest.schema import generate
from podwright.manifest.sift import sift


def pydantic_accepts(value: object) -> bool:
    try:
        Pod.model_validate(value)
    except pydantic.ValidationError:
        return False
    return True


def test_the_schema_is_what_the_models_say() -> None:
    with open(check.SCHEMA_PATH, encoding="utf-8") as file:
        assert file.read() == generate(), "run: python -m podwright.manifest.schema"


def test_the_schema_uses_no_word_that_the_checker_does_not_know() -> None:
    def words(node: Any, *, are_names: bool = False) -> set[str]:
        if isinstance(node, list):
            return {word for item in node for word in words(item)}
        if not isinstance(node, dict):
            return set()
        found = set() if are_names else set(node)
        return found.union(
            *(words(item, are_names=not are_names and key in ("properties", "$defs")) for key, item in node.items())
        )

    assert words(check.schema()) - check.KEYWORDS == set()


def test_every_field_is_described() -> None:
    kinds = {**check.schema()["$defs"], "Pod": check.schema()}
    undescribed = [
        f"{kind}.{name}"
        for kind, node in kinds.items()
        for name, field in node["properties"].items()
        if "description" not in field and not node["description"].endswith("without effect here.")
    ]
    assert undescribed == []
    assert all(node["description"] for node in kinds.values())


@settings(max_examples=300, deadline=None)
@given(odd_pods())
def test_check_and_pydantic_agree_on_odd_pods(manifest: Any) -> None:
    assert check.accepts(manifest) == pydantic_accepts(manifest)
    sifted = sift(manifest).pod
    assert check.accepts(sifted) == pydantic_accepts(sifted) == (not explain(sifted))


@settings(max_examples=100, deadline=None)
@given(good_pods)
@example(SMALL)
def test_check_and_pydantic_accept_good_pods(manifest: dict[str, Any]) -> None:
    sifted = sift(manifest)
    assert sifted.faults == []
    assert check.accepts(sifted.pod)
    assert pydantic_accepts(sifted.pod)


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        "Pod",
        {},
        pod(containers=[]),
        pod(containers=()),
        pod(terminationGracePeriodSeconds=True),
        pod(terminationGracePeriodSeconds=30.0),
        pod(terminationGracePeriodSeconds=-1),
        pod(terminationGracePeriodSeconds=86401),
        pod(hostname="a\n"),
        pod(hostname="a" * 64),
        pod(enableServiceLinks=1),
        pod(os={}),
        pod(os={"name": "linux", "x": 1}),
        pod(restartPolicy="always"),
        pod(hostAliases=[{"ip": "1.2.3.4", "hostnames": []}]),
        with_container(image="a\n"),
        with_container(command="sh"),
        with_container(command=["sh", None]),
        with_container(env={"A": "b"}),
        with_container(env=[{"name": f"V{index}"} for index in range(257)]),
        with_container(ports=[{"containerPort": 0}]),
        with_container(ports=[{"containerPort": 65536}]),
        with_container(resources={"limits": {"cpu": True}}),
        with_container(resources={"limits": {"cpu": None}}),
        with_container(resources={"limits": {1: 1}}),
        with_metadata(labels={"a": None}),
        with_metadata(labels={1: "a"}),
        with_metadata(name=1),
        {**SMALL, "kind": "pod"},
        {**SMALL, 1: 2},
    ],
)
def test_both_refuse(manifest: Any) -> None:
    assert not check.accepts(manifest)
    assert not pydantic_accepts(manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        pod(containers=[{"name": f"c{index}", "image": "a"} for index in range(16)]),
        pod(terminationGracePeriodSeconds=0, hostname=None, tolerations=[{"operator": "Exists"}]),
        pod(terminationGracePeriodSeconds=86400),
        with_container(env=[{"name": f"V{index}"} for index in range(256)]),
        with_container(resources={"limits": {"cpu": 0.5, "memory": "1Gi", "gpu": 1}}),
        with_metadata(name="a" * 253, labels={}, annotations={"": "é"}),
    ],
)
def test_both_accept(manifest: Any) -> None:
    assert check.accepts(manifest)
    assert pydantic_accepts(manifest)
