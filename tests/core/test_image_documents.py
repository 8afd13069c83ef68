# SPDX-License-Identifier: Apache-2.0
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwright.errors import ImageError
from podwright.images import documents, platform

DIGEST = "sha256:" + "ab" * 32
WASM = "application/wasm"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
MACHINE = platform.host().architecture


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
        (manifest(layers=[descriptor("application/x-lz4")]), "of the type application/x-lz4, which cannot be unpacked"),
        (manifest(layers=[descriptor(DOCKER_FOREIGN)]), f"of the type {DOCKER_FOREIGN}: such a layer is .* vendor's"),
        (manifest(layers=[descriptor(OCI_FOREIGN)]), r"nondistributable\.v1\.tar\+gzip: such a layer is .* vendor's"),
        (manifest(config=descriptor("a/b"), artifactType="application/x.sbom"), "artifact of type application/x.sbom"),
        (manifest(layers=[descriptor(WASM), descriptor(WASM)]), "one layer, the module .it has: application/wasm, app"),
        (manifest(layers=[descriptor(WASM), descriptor(documents.LAYERS[0])]), "must have one layer"),
        (manifest(config=descriptor(documents.WASM_CONFIGS[0]), layers=[]), "must have one layer.*has: none"),
        (manifest(config=descriptor(documents.WASM_CONFIGS[0])), "must have one layer.*tar.gzip"),
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


@pytest.mark.parametrize("layer", documents.LAYERS)
def test_a_layer_of_every_known_type(layer):
    assert documents.parse_manifest(manifest(layers=[descriptor(layer)])).layers[0].media_type == layer


@pytest.mark.parametrize("kind", [*documents.WASM_CONFIGS, documents.CONFIGS[0]])
@pytest.mark.parametrize("layer", documents.WASM_LAYERS)
def test_a_webassembly_module_is_no_layer(kind, layer):
    found = documents.parse_manifest(manifest(config=descriptor(kind, size=2), layers=[descriptor(layer)]))
    assert found.module == documents.Descriptor(layer, DIGEST, 3)
    assert (found.layers, found.size) == ([], 5)
    assert found.blobs == [found.config, found.module]


def offer(size, system="linux", architecture=MACHINE, variant="", media_type=documents.OCI_MANIFEST):
    """An index's manifest; which one was chosen is told by its size."""
    about = {"os": system, "architecture": architecture} | ({"variant": variant} if variant else {})
    return descriptor(media_type, platform=about, size=size)


def test_the_platform_of_this_machine_is_chosen():
    data = index(
        offer(1, architecture="s390x"),
        offer(2, "windows"),
        descriptor(documents.OCI_MANIFEST, size=3),
        offer(4),
        offer(5, "unknown", "unknown"),
        offer(6, "wasip1", "wasm"),
    )
    assert documents.choose_platform(data).size == 4


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("linux/amd64", 2),
        ("linux/amd64/v2", 2),
        ("linux/amd64/v4", 1),
        ("linux/arm", 4),
        ("linux/arm/v6", 3),
        ("linux/arm/v8", 4),
        ("linux/arm64", 5),
        ("linux/arm64/v8", 5),
        ("windows/amd64", 6),
        ("wasip1/wasm", 7),
    ],
)
def test_a_platform_that_was_asked_for(wanted, chosen):
    data = index(
        offer(1, architecture="amd64", variant="v3"),
        offer(2, architecture="amd64"),
        offer(3, architecture="arm", variant="v5"),
        offer(4, architecture="arm", variant="v7"),
        offer(5, architecture="arm64", variant="v8"),
        offer(6, "windows", "amd64"),
        offer(7, "wasip1", "wasm"),
    )
    assert documents.choose_platform(data, platform.parse(wanted)).size == chosen


def test_a_missing_platform_names_those_there_are():
    data = index(
        offer(1, architecture="s390x"), offer(2, architecture="arm", variant="v7"), offer(3, "unknown", "unknown")
    )
    with pytest.raises(ImageError, match=rf"no manifest for linux/{MACHINE} \(there are: linux/arm/v7, linux/s390x\)"):
        documents.choose_platform(data)
    with pytest.raises(ImageError, match=r"no manifest for linux/arm/v6 \(there are: linux/arm/v7, linux/s390x\)"):
        documents.choose_platform(data, platform.parse("linux/arm/v6"))
    with pytest.raises(ImageError, match=r"there are: none"):
        documents.choose_platform(index())


def test_webassembly_runs_on_every_machine_unless_another_platform_is_asked_for():
    data = index(offer(1, architecture="s390x"), offer(2, "wasip1", "wasm"))
    assert documents.choose_platform(data).size == 2
    with pytest.raises(ImageError, match="no manifest for linux/arm"):
        documents.choose_platform(data, platform.parse("linux/arm"))


def test_an_index_of_one_image_needs_no_platform():
    attestation = offer(2, "unknown", "unknown")
    assert documents.choose_platform(index(descriptor(documents.OCI_MANIFEST, size=1), attestation)).size == 1
    with pytest.raises(ImageError, match="no manifest"):
        documents.choose_platform(index(descriptor(documents.OCI_MANIFEST), descriptor(documents.OCI_MANIFEST)))


def test_an_index_in_an_index_is_followed_when_it_is_the_only_one():
    inner = descriptor(documents.OCI_INDEX, size=1)
    assert documents.choose_platform(index(inner)).size == 1
    assert documents.choose_platform(index(inner, offer(2))).size == 2
    assert documents.choose_platform(index(offer(1, media_type=documents.OCI_INDEX))).size == 1
    other = offer(1, architecture="s390x", media_type=documents.OCI_INDEX)
    with pytest.raises(ImageError, match="there are: linux/s390x"):
        documents.choose_platform(index(other))
    with pytest.raises(ImageError, match="no manifest"):
        documents.choose_platform(index(inner, inner))


def test_a_configuration_comes_back_whole_with_a_config():
    assert documents.parse_config(config(), 1)["config"] == {}
    execution = {"Env": ["A=b"], "Cmd": None, "User": "1"}
    assert documents.parse_config(config(config=execution), 1)["config"] == {"Env": ["A=b"], "User": "1"}


def test_a_configuration_for_another_platform_when_it_was_asked_for():
    arm = config(architecture="arm", variant="v7")
    assert documents.parse_config(arm, 1, platform.parse("linux/arm/v8"))["variant"] == "v7"
    with pytest.raises(ImageError, match="it is for linux/arm/v7, and linux/arm/v6 was asked for"):
        documents.parse_config(arm, 1, platform.parse("linux/arm/v6"))
    # most images for v6 say only arm
    assert documents.parse_config(config(architecture="arm"), 1, platform.parse("linux/arm/v6"))


def test_files_for_webassembly_are_for_every_machine():
    wasm = config(os="wasi", architecture="wasm")
    assert documents.parse_config(wasm, 1)["os"] == "wasi"
    with pytest.raises(ImageError, match=f"it is for wasi/wasm, and linux/{MACHINE} was asked for"):
        documents.parse_config(wasm, 1, platform.host())


def test_a_modules_configuration_needs_to_say_nothing():
    nothing = {"rootfs": {"type": "layers", "diff_ids": []}, "config": {}}
    assert documents.parse_module_config(b"{}") == nothing
    about = {"os": "wasip1", "architecture": "wasm", "config": {"Cmd": ["a"]}, "rootfs": {"diff_ids": [DIGEST]}}
    assert documents.parse_module_config(json.dumps(about).encode()) == about | nothing | {"config": {"Cmd": ["a"]}}
    with pytest.raises(ImageError, match="windows/wasm"):
        documents.parse_module_config(b'{"os": "windows", "architecture": "wasm"}')
    with pytest.raises(ImageError, match="names no platform"):
        documents.parse_module_config(b"{}", platform.host())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (config(os="windows"), "it is for windows/.*, and linux/.* is what this machine runs"),
        (config(architecture="s390x"), "linux/s390x"),
        (config(os=["linux"]), "no platform that has a meaning"),
        (config(os="unknown", architecture="unknown"), "meaning .unknown/unknown"),
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
    for read in (
        documents.parse_manifest,
        documents.is_index,
        documents.choose_platform,
        documents.parse_module_config,
    ):
        with contextlib.suppress(ImageError):
            read(data)
    with contextlib.suppress(ImageError):
        documents.parse_config(json.dumps({"os": "linux", "architecture": MACHINE} | document).encode(), 1)
