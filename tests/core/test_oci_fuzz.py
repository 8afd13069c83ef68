# SPDX-License-Identifier: Apache-2.0
"""Any document is either compiled, or refused with a ManifestError; no other error comes out."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ocispecs import FULL, UNIFIED, V1, compiled
from podwright.errors import ManifestError
from podwright.jsontext import loads
from podwright.oci.exec_plan import compile_exec

WORDS = ["", "/", "x", "/proc", "/proc/self/ns/net", "ro", "bind", "rbind", "shared", "a=b", "..", "\0", "\ud800", "ü",
         "mount", "user", "CAP_CHOWN", "RLIMIT_CPU", "1.0.0", "0-3,7", "net/x", "cgroup", "SCHED_DEADLINE"]  # fmt: skip
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 1, 1 << 31, 1 << 32, 1 << 63, 1 << 64]),
    st.floats(allow_nan=False),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(["type", "path", "uid", "size", "options"]), st.text(max_size=4)),
                        inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(*path, key) for key, _ in items] + [place for key, item in items for place in places(item, (*path, key))]


PLACES = places(FULL)


@st.composite
def documents(draw):
    spec = copy.deepcopy(FULL)
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)):
        parent: Any = spec
        try:
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = draw(values)
        except (TypeError, KeyError, IndexError):
            pass  # the change before this one took the place away
    return spec


def check(compile_, *arguments, **more):
    try:
        plan = compile_(*arguments, **more)
    except ManifestError as error:
        assert error.message
        assert "\0" not in error.message
        return
    json.dumps(plan, allow_nan=False).encode()
    for step in plan["steps"]:
        assert "\0" not in json.loads(json.dumps(step[0]))


@settings(max_examples=400, deadline=None)
@given(documents(), st.sampled_from([UNIFIED, V1, []]))
def test_changed_documents(spec, hierarchies):
    check(compiled, spec, hierarchies=hierarchies)
    check(compile_exec, spec.get("process"), spec=FULL, pid=1, start_time=1, cgroups=[])


@settings(max_examples=200, deadline=None)
@given(values)
def test_any_document(value):
    check(compiled, value)


def test_the_full_document_compiles():
    assert compiled(FULL)["steps"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64))
def test_any_text(text):
    try:
        value = loads(text)
    except ValueError:
        return
    check(compiled, value)
