# SPDX-License-Identifier: Apache-2.0
"""What refers to an image, such as signatures, as a registry lists it (distribution-spec, "Listing Referrers")."""

import re
from typing import NamedTuple

from podwright.errors import ImageError
from podwright.images.documents import Descriptor, parse_descriptor, parse_object


class Referrer(NamedTuple):
    """A manifest whose subject is the image."""

    descriptor: Descriptor
    artifact_type: str
    """Empty when the list does not tell."""
    annotations: dict[str, str]


def parse_referrers(data: bytes) -> list[Referrer]:
    """Read the index that lists referrers."""
    items = parse_object(data, "list of referrers").get("manifests")
    if not isinstance(items, list):
        raise ImageError("the list of referrers has no list manifests")
    return [_referrer(item) for item in items]


def fallback_tag(digest: str) -> str:
    """Return the tag under which the list is kept at a registry that does not make it itself."""
    return digest.replace(":", "-")


def next_page(link: str) -> str:
    """Return the place of the next page by a header Link (RFC 8288), or nothing."""
    match = re.search(r'<([^>]*)>\s*;[^,]*\brel="?next\b', link)
    return match[1] if match else ""


def _referrer(item: object) -> Referrer:
    descriptor = parse_descriptor(item, "list of referrers")
    fields = item if isinstance(item, dict) else {}
    annotations = fields.get("annotations")
    texts = annotations.items() if isinstance(annotations, dict) else ()
    kind = fields.get("artifactType")
    known = {key: text for key, text in texts if isinstance(text, str)}
    return Referrer(descriptor, kind if isinstance(kind, str) else "", known)
