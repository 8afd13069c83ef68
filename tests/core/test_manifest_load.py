# SPDX-License-Identifier: Apache-2.0
"""Manifests as text."""

import json

import pytest

from manifesttools import SMALL
from podwright.errors import ManifestError
from podwright.limits import MAX_MANIFEST_SIZE
from podwright.manifest.load import load_documents
from podwright.manifest.yaml_text import MAX_NODES, parse

YAML = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: server
      image: registry.example.com/httpd:2.4
"""


def test_yaml_and_json_give_the_same() -> None:
    assert load_documents(YAML) == load_documents(json.dumps(SMALL)) == [SMALL]
    assert load_documents(f"\n  {json.dumps(SMALL, indent=2)}\n") == [SMALL]


def test_documents_are_separated_and_empty_ones_skipped() -> None:
    assert load_documents(f"---\n{YAML}---\n---\n# nothing\n---\n{YAML}...\n") == [SMALL, SMALL]


def test_a_flow_mapping_is_yaml() -> None:
    assert load_documents("{kind: Pod, spec: {a: [1]}}") == [{"kind": "Pod", "spec": {"a": [1]}}]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("text", "text"),
        ("'1'", "1"),
        ('"yes"', "yes"),
        ("!!str 12", "12"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("12:30", "12:30"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("y", True),
        ("N", False),
        ("yEs", "yEs"),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("0", 0),
        ("-12", -12),
        ("1_000", 1000),
        ("010", 8),
        ("0x1F", 31),
        ("0b101", 5),
        ("0x", "0x"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-", [None]),
        ("+", "+"),
        (".", "."),
        ("!!float 1", 1.0),
        ("0o17", 15),
        ("-0O17", -15),
        ("00", 0),
        ("089", 89.0),
        ("0X1f", 31),
        ("-0B1_1", -3),
        ("1_0.5", 10.5),
        ("._5", "._5"),
        ("12e345", "12e345"),
        ("9" * 20, 99999999999999999999.0),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775809", -9223372036854775809.0),
        ("0x1" + "0" * 16, "0x1" + "0" * 16),
        ("9" * 400, "9" * 400),
    ],
)
def test_scalars_are_typed_as_kubernetes_types_them(scalar: str, value: object) -> None:
    (document,) = parse(f"a:\n  {scalar}\n")
    assert document == {"a": value}
    assert type(document["a"]) is type(value)


def test_aliases_and_merges() -> None:
    text = "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\ne: {c: 4, <<: [*x, {f: 5, b: 6}]}\ng: *x\n"
    one = {"b": 1, "c": 2}
    assert parse(text) == [{"a": one, "d": {"b": 1, "c": 3}, "e": {"c": 4, "b": 1, "f": 5}, "g": one}]


BOMB = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x{level + 1}: &x{level + 1} [{', '.join([f'*x{level}'] * 10)}]\n" for level in range(8)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "manifest: holds no document"),
        ("# only words\n", "manifest: holds no document"),
        ("kind: Pod\nspec: 1\nspec: 2\n", "manifest: line 3: the key 'spec' is there twice in one object"),
        ('{"kind": "Pod", "kind": "Pod"}', "manifest: the same key is there twice in one object (got 'kind')"),
        ('{"kind": "Pod",', "manifest: line 1, column 16: not valid JSON: Expecting property name"),
        ('{"kind": "Pod", "x": NaN}', "manifest: not a JSON number (got 'NaN')"),
        ('{"x": ' * 100_000, "manifest: cannot be read: maximum recursion depth exceeded"),
        ('{"x": ' + "1" * 5000 + "}", "manifest: cannot be read: Exceeds the limit"),
        ("kind: Pod\nx: [\n", "manifest: line 3: not valid YAML: "),
        ("a: b: c", "manifest: line 1: not valid YAML: mapping values are not allowed in this context"),
        ("a: \x01", "manifest: not valid YAML: control characters are not allowed"),
        ("[" * 500_000, "manifest: line 1: nested deeper than 100 levels"),
        (BOMB, f"manifest: line 6: more than {MAX_NODES} values, with the aliases expanded"),
        ("a: &x [*x]", "manifest: line 1: the alias *x refers to nothing that stands before it"),
        ("a: &x 1\n---\nb: *x", "manifest: line 3: "),
        (
            "a: !!python/object:os.system x",
            "manifest: line 1: the tag tag:yaml.org,2002:python/object:os.system does not",
        ),
        ("a: !!binary aGk=", "manifest: line 1: the tag tag:yaml.org,2002:binary does not fit the value"),
        ("a: !!set {b}", "manifest: line 1: the tag tag:yaml.org,2002:set is not for plain data"),
        ("a: !mine {b: c}", "manifest: line 1: the tag !mine is not for plain data"),
        ("a: !!int x", "manifest: line 1: the tag tag:yaml.org,2002:int does not fit the value"),
        ("1: 2", "manifest: line 1: a key must be a string; put it in quotes"),
        ("? [a]\n: b", "manifest: line 1: a key must be a string; put it in quotes"),
        ("a: {<<: 1}", "manifest: line 1: << must be followed by an object, or a list of them"),
        (
            "kind: Deployment",
            "kind: podwright takes Pods, ConfigMaps, Secrets and PersistentVolumeClaims (got 'Deployment')",
        ),
        (
            "kind: [Pod]",
            'kind: podwright takes Pods, ConfigMaps, Secrets and PersistentVolumeClaims (got ["Pod"])',
        ),
        (
            f"{YAML}---\nkind: Service",
            "document 2: kind: podwright takes Pods, ConfigMaps, Secrets and PersistentVolumeClaims (got 'Service')",
        ),
        (f"{YAML}---\na: b", "document 2: kind: required, but missing"),
        ("- a", 'manifest: must be an object with apiVersion, kind, metadata and spec (got ["a"])'),
    ],
)
def test_what_is_wrong_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_documents(text)
    assert caught.value.message.startswith(sentence)


def test_a_text_of_two_mebibytes_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ManifestError) as caught:
        load_documents("[" * (2 << 20))
    assert str(caught.value) == "manifest: is too large: at most 1048576 bytes are allowed (got 2097152)"
    assert (caught.value.field, caught.value.value) == ("manifest", 2 << 20)
    with pytest.raises(ManifestError, match="holds no document"):
        load_documents("#" * MAX_MANIFEST_SIZE)


def test_python_without_the_c_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    monkeypatch.setattr("podwright.manifest.yaml_text._Loader", yaml.SafeLoader)
    assert load_documents(f"{YAML}---\n{YAML}") == [SMALL, SMALL]


@pytest.mark.parametrize("text", ["kind: Pod\na: \ud800", '{"kind": "Pod", "a": "\udfff"}'])
def test_half_a_surrogate_pair_is_refused(text):
    with pytest.raises(ManifestError, match=r"surrogate pair \(got '\\ud[8f]"):
        load_documents(text)
