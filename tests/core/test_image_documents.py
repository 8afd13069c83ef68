# SPDX-License-Identifier: Apache-2.0
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images import documents

DIGEST = "sha256:" + "ab" * 32
MACHINE = documents.architecture()


def descriptor(media_type, **fields):
    return {"mediaType": media_type, "digest": DIGEST, "size": 3, **fields}


def manifest(**fields):
    document = {
        "schemaVersion": 2,
        "mediaType": documents.OCI_MANIFEST,
        "config": descriptor(documents.CONFIGS[0]),
        "layers": [descriptor(documents.LAYERS[1])],
    }
    return json.dumps(document | fields).encode()


def index(*manifests):
    return json.dumps({"schemaVersion": 2, "manifests": list(manifests)}).encode()


def config(**fields):
    document = {"os": "linux", "architecture": MACHINE, "rootfs": {"type": "layers", "diff_ids": [DIGEST]}}
    return json.dumps(document | fields).encode()


def test_a_manifest_tells_its_blobs_and_size():
    found = documents.parse_manifest(manifest())
    assert found.config == documents.Descriptor(documents.CONFIGS[0], DIGEST, 3)
    assert [layer.media_type for layer in found.layers] == [documents.LAYERS[1]]
    assert found.size == 6


def test_a_manifest_without_media_type_gets_the_one_of_its_configuration():
    plain = json.loads(manifest())
    del plain["mediaType"]
    assert documents.manifest_type(json.dumps(plain).encode()) == documents.OCI_MANIFEST
    plain["config"]["mediaType"] = documents.CONFIGS[1]
    assert documents.manifest_type(json.dumps(plain).encode()) == documents.DOCKER_MANIFEST


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100000, "not JSON"),
        (b"[]", "not a JSON object"),
        (manifest(config=None), "no descriptor"),
        (manifest(config=descriptor("application/vnd.oci.empty.v1+json")), "artifact of type"),
        (manifest(config=descriptor(documents.CONFIGS[0], size=1 << 30)), "over the limit"),
        (manifest(layers={}), "no list layers"),
        (manifest(layers=[descriptor(documents.LAYERS[0], size=-1)]), "size -1"),
        (manifest(layers=[descriptor(documents.LAYERS[0], size=True)]), "size True"),
        (manifest(layers=[descriptor(documents.LAYERS[0], digest="../../x")]), "'../../x'"),
        (manifest(layers=[descriptor(documents.LAYERS[0], digest="sha512:" + "a" * 128)]), "not a sha256"),
        (manifest(layers=[descriptor("application/vnd.wasm.content.layer.v1+wasm")]), "cannot be unpacked"),
        (manifest(layers=[descriptor(documents.LAYERS[0])] * 128), "128 layers"),
        (manifest(mediaType="text/plain"), "unknown type 'text/plain'"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_reason(data, reason):
    with pytest.raises(ImageError, match=reason):
        documents.parse_manifest(data)


def test_an_index_is_told_from_a_manifest_by_content():
    assert documents.is_index(index())
    assert not documents.is_index(manifest())
    for both_or_none in (manifest(manifests=[]), b"{}"):
        with pytest.raises(ImageError, match="neither a manifest nor an index"):
            documents.is_index(both_or_none)
    with pytest.raises(ImageError, match="schema version 1"):
        documents.is_index(b'{"schemaVersion": 1, "fsLayers": []}')


def test_the_platform_of_this_machine_is_chosen():
    data = index(
        descriptor(documents.OCI_MANIFEST, platform={"os": "linux", "architecture": "s390x"}, size=1),
        descriptor(documents.OCI_MANIFEST, platform={"os": "windows", "architecture": MACHINE}, size=2),
        descriptor(documents.OCI_MANIFEST, size=3),
        descriptor(documents.OCI_MANIFEST, platform={"os": "linux", "architecture": MACHINE}, size=4),
        descriptor(documents.OCI_MANIFEST, platform={"os": "unknown", "architecture": "unknown"}, size=5),
    )
    assert documents.choose_platform(data).size == 4


def test_a_missing_platform_names_those_there_are():
    data = index(descriptor(documents.OCI_MANIFEST, platform={"os": "linux", "architecture": "s390x"}))
    with pytest.raises(ImageError, match=rf"no manifest for linux/{MACHINE} \(there are: linux/s390x\)"):
        documents.choose_platform(data)


def test_a_configuration_comes_back_whole_with_a_config():
    assert documents.parse_config(config(), 1)["config"] == {}
    execution = {"Env": ["A=b"], "Cmd": None, "User": "1"}
    assert documents.parse_config(config(config=execution), 1)["config"] == {"Env": ["A=b"], "User": "1"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (config(os="windows"), "windows/"),
        (config(architecture="s390x"), "linux/s390x"),
        (config(rootfs={}), "no valid rootfs.diff_ids"),
        (config(rootfs={"diff_ids": ["../x"]}), "no valid rootfs.diff_ids"),
        (config(rootfs={"diff_ids": []}), "0 diff_ids for 1 layers"),
        (config(config=[]), "config is not an object"),
        (config(config={"Env": "A=b"}), "Env is not a list of strings"),
        (config(config={"Cmd": ["a\0b"]}), "Cmd is not a list of strings"),
        (config(config={"User": 1}), "User is not a string"),
        (config(config={"Env": ["A=\ud800"]}), "Env is not a list of strings"),
        (config(config={"WorkingDir": "/\udcff"}), "WorkingDir is not a string"),
        (config(config={"Volumes": []}), "Volumes is not an object"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_reason(data, reason):
    with pytest.raises(ImageError, match=reason):
        documents.parse_config(data, 1)


FIELDS = ["config", "layers", "manifests", "mediaType", "digest", "size", "platform", "os", "architecture", "rootfs"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "diff_ids", "Env", "schemaVersion"]), JSON))
def test_no_document_makes_more_than_an_image_error(document):
    data = json.dumps(document).encode()
    for read in (documents.parse_manifest, documents.is_index, documents.choose_platform):
        with contextlib.suppress(ImageError):
            read(data)
    with contextlib.suppress(ImageError):
        documents.parse_config(json.dumps({"os": "linux", "architecture": MACHINE} | document).encode(), 1)
