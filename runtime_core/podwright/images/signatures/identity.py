# SPDX-License-Identifier: Apache-2.0
"""Which name a signature must be for: the ``signedIdentity`` of containers-policy.json(5).

A signature says "this digest is NAME". Whoever may push one signed image could show it under another name, if nobody
compared the two.
"""

from typing import Any, NamedTuple

from podwright.errors import ConfigError, ImageError
from podwright.images import reference as references
from podwright.images.reference import Reference

_MEMBERS = {
    "matchExact": (),
    "matchRepoDigestOrExact": (),
    "matchRepository": (),
    "exactReference": ("dockerReference",),
    "exactRepository": ("dockerRepository",),
    "remapIdentity": ("prefix", "signedPrefix"),
}
"""Each type's members, besides ``type``; all must be there."""


class Identity(NamedTuple):
    """One ``signedIdentity``."""

    kind: str = "matchRepoDigestOrExact"
    name: str = ""
    """``dockerReference``, ``dockerRepository`` or ``prefix``."""
    signed_prefix: str = ""

    def accepts(self, image: Reference, claimed: str) -> bool:
        """Tell whether a signature for the name ``claimed`` is one for ``image``."""
        signed = _read(claimed)
        if signed is None:
            return False
        wanted = asked(image)
        if self.kind == "matchRepository":
            return _repository(signed) == _repository(wanted)
        if self.kind == "exactRepository":
            named = _read(self.name)
            return named is not None and _repository(signed) == _repository(named)
        if self.kind == "exactReference":
            return signed == _read(self.name)
        if self.kind == "matchExact":
            return signed == wanted
        remapped = self._remapped(wanted) if self.kind == "remapIdentity" else wanted
        return remapped is not None and _matches(signed, remapped)

    def accepts_digest(self, image: Reference) -> bool:
        """Tell whether a signature that names nothing but the digest is enough: the image is asked for by that digest.

        Not where the policy itself says which name must have been signed.
        """
        return image.digest is not None and self.kind in ("matchRepoDigestOrExact", "matchRepository", "remapIdentity")

    def _remapped(self, image: Reference) -> Reference | None:
        """Return the image's name with its prefix replaced; None when that gives no name."""
        name = _name(image)
        if name != self.name and not name.startswith(f"{self.name}/"):
            return image
        mapped = self.signed_prefix + str(image).removeprefix(self.name)
        result = _read(mapped)
        return result if str(result) == mapped else None


def parse(value: Any, field: str) -> Identity:
    """Read a ``signedIdentity``; raises ConfigError that names ``field``."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in _MEMBERS:
        raise ConfigError(f"{field}.type is {kind!r}, but must be one of {', '.join(_MEMBERS)}")
    members = {name: item for name, item in value.items() if name != "type"}
    if set(members) != set(_MEMBERS[kind]):
        has = ", ".join(members) or "none"
        raise ConfigError(f"{field}: {kind} has the members {', '.join(_MEMBERS[kind]) or 'none'}, and not {has}")
    for name, text in members.items():
        if not isinstance(text, str) or not _is_name(name, text):
            raise ConfigError(f"{field}.{name} is {text!r}, {_WRONG[name]}", field=f"{field}.{name}", value=text)
    return Identity(kind, *(members[name] for name in _MEMBERS[kind]))


_PREFIX = "but must be a registry's host, or a repository or a namespace with one: registry.example:5000/team"
_WRONG = {
    "dockerReference": "but must be an image reference with a tag or a digest",
    "dockerRepository": "but must be a repository such as registry.example/team/app",
    "prefix": _PREFIX,
    "signedPrefix": _PREFIX,
}


def _is_name(member: str, text: str) -> bool:
    if member in ("prefix", "signedPrefix"):
        probe = _read(f"{text}/x")
        return probe is not None and str(probe).startswith(f"{text}/")
    read = _read(text)
    return read is not None and (read != _bare(read) if member == "dockerReference" else read == _bare(read))


def asked(image: Reference) -> Reference:
    """Return what a policy looks at: where there is a digest, the tag beside it chooses nothing."""
    return image._replace(tag=None) if image.digest else image


def _matches(signed: Reference, wanted: Reference) -> bool:
    if signed == _bare(signed):
        return False
    # The signature holds for one digest, and the image is known to have the one that was asked for.
    return _repository(signed) == _repository(wanted) if wanted.digest else signed == wanted


def _read(text: str) -> Reference | None:
    """Read a name as a signature holds it: no tag is added to a bare one."""
    try:
        parsed = references.parse(text)
    except ImageError:
        return None
    tagged = "@" in text or text.rfind(":") > text.rfind("/")
    return parsed if tagged else parsed._replace(tag=None)


def _bare(reference: Reference) -> Reference:
    return reference._replace(tag=None, digest=None)


def _repository(reference: Reference) -> tuple[str, str]:
    return reference.registry, reference.repository


def _name(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"
