# SPDX-License-Identifier: Apache-2.0
"""The corpus itself: readable, as its generator writes it, and with every field that is refused by name in it."""

import page
from compare import ours
from corpus import MANIFESTS, Case, cases
from generate import FOLDER, files

from podwright.errors import ManifestError
from podwright.manifest.unbuilt import REFUSED


def test_corpus_is_large_and_its_comments_are_there() -> None:
    found = cases()  # raises for a document without a name, and for two of one name
    assert len(found) >= 300
    assert {case.noun for case in found if "/" not in case.noun} == {path.stem for path in MANIFESTS.glob("*.yaml")}


def test_generated_manifests_are_as_the_generator_writes_them() -> None:
    assert {file.stem: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.yaml")} == files()


def _sentence(case: Case) -> str:
    try:
        ours(case.text)
    except ManifestError as error:
        return error.message
    return ""


def test_every_field_that_is_refused_by_name_is_in_the_corpus() -> None:
    told = [_sentence(case) for case in cases()]
    lines = [line for text in told for line in text.splitlines() if "not supported by this release" in line]
    named = {line.partition(":")[0].rpartition(".")[2] for line in lines}
    wanted = {name for kind, fields in REFUSED.items() if kind != "LoneContainer" for name in fields}
    assert wanted <= named, "add a manifest with each of these"


def test_page_is_as_it_is_written() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "run tests/conformance/kubernetes/page.py"
