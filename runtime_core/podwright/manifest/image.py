# SPDX-License-Identifier: Apache-2.0
"""An image as it is wanted on a host.

::

    {"kind": "Image", "name": "registry.example.org/team/app:1.2", "source": "oci-archive:/srv/app.tar",
     "pullPolicy": "Always", "platform": "linux/arm64/v8", "auth": {"username": …, "password": …},
     "destinations": ["docker://mirror.example.org/app:1.2"]}

Only the name is needed. Without a ``source`` the image comes from the registry that its name names.
"""

from typing import Any

from podwright.errors import ImageError
from podwright.images import platform as platforms
from podwright.images import reference as references
from podwright.manifest import names
from podwright.manifest.faults import Fault, error

KIND = "Image"
FIELDS = ("name", "source", "pullPolicy", "platform", "auth", "destinations")
"""All that an image may have beside its kind."""
POLICIES = ("Always", "IfNotPresent", "Never")
SOURCES = ("oci:", "oci-archive:", "docker-archive:", "rootfs:")
"""How a source that is no registry begins; a path follows, and the name of one image of several if need be."""
DESTINATIONS = ("docker://", "oci:", "oci-archive:", "docker-archive:")


def normalise(document: Any) -> dict[str, Any]:
    """Check a document and return it with its name in full and its pull policy, without what is null or empty.

    Raises ManifestError, which never quotes what is in ``auth``.
    """
    if not isinstance(document, dict):
        raise error([Fault("image", "must be an object with a name", document)])
    given = {key: value for key, value in document.items() if value not in (None, [], {})}
    wanted: dict[str, Any] = {**given, "kind": KIND}
    faults = [
        Fault(str(key), f"not a field of an image; there are: {', '.join(FIELDS)}")
        for key in given
        if key not in ("kind", *FIELDS)
    ]
    if given.get("kind", KIND) != KIND:
        faults.append(Fault("kind", f"must be {KIND}", given["kind"]))
    faults += _name(given, wanted) + _platform(given, wanted) + _policy(given, wanted)
    if "source" in given:
        faults += _place("source", given["source"], SOURCES)
    faults += _auth(given.get("auth", {})) + _destinations(given.get("destinations", []))
    if faults:
        raise error(faults)
    return wanted


def _name(given: dict[str, Any], wanted: dict[str, Any]) -> list[Fault]:
    name = given.get("name")
    if name is None:
        return [Fault("name", "required, but missing")]
    if not isinstance(name, str):
        return [Fault("name", "must be a string", name)]
    try:
        wanted["name"] = str(references.parse(name))
    except ImageError as wrong:
        return [Fault("name", wrong.message.rpartition(": not a valid image reference: ")[2], name)]
    return []


def _platform(given: dict[str, Any], wanted: dict[str, Any]) -> list[Fault]:
    platform = given.get("platform")
    if platform is None:
        return []
    try:
        wanted["platform"] = str(platforms.parse(platform))
    except (ImageError, AttributeError):
        return [Fault("platform", "must be OS/ARCHITECTURE[/VARIANT], as linux/amd64 or linux/arm/v7", platform)]
    return []


def _policy(given: dict[str, Any], wanted: dict[str, Any]) -> list[Fault]:
    """Without one it is what Kubernetes has for a registry; a file costs nothing to look at."""
    policy = given.get("pullPolicy")
    if policy is None:
        always = "source" in given or names.image_tag(str(wanted.get("name"))) == "latest"
        wanted["pullPolicy"] = "Always" if always else "IfNotPresent"
    elif policy not in POLICIES:
        return [Fault("pullPolicy", f"must be one of {', '.join(POLICIES)}", policy)]
    elif policy == "Never" and "source" in given:
        return [Fault("pullPolicy", "must not be Never for an image that has a source", policy)]
    return []


def _place(field: str, value: object, kinds: tuple[str, ...]) -> list[Fault]:
    if isinstance(value, str) and "\0" not in value and any(value.startswith(k) and value != k for k in kinds):
        return []
    return [Fault(field, f"must begin with one of {' '.join(kinds)} and name a place", value)]


def _auth(auth: object) -> list[Fault]:
    wanted = "must have username and password, or authFile, an absolute path; its value is not shown"
    if not isinstance(auth, dict) or not all(isinstance(value, str) and value for value in auth.values()):
        return [Fault("auth", wanted)]
    if auth and auth.keys() not in ({"username", "password"}, {"authFile"}):
        return [Fault("auth", wanted)]
    if not auth.get("authFile", "/").startswith("/"):
        return [Fault("auth.authFile", "must be an absolute path", auth["authFile"])]
    return []


def _destinations(places: object) -> list[Fault]:
    if not isinstance(places, list):
        return [Fault("destinations", "must be a list", places)]
    faults = []
    for index, place in enumerate(places):
        faults += _place(f"destinations[{index}]", place, DESTINATIONS)
    if not faults and len(set(places)) < len(places):
        faults.append(Fault("destinations", "must not have the same place twice", places))
    return faults
