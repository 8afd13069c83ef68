# SPDX-License-Identifier: Apache-2.0
"""Names as Kubernetes spells them: the patterns, and what each means in words.

A pattern is written so that Python, Rust (pydantic) and ECMAScript (an editor's JSON Schema) read it alike: anchored,
ASCII classes only, no look-around. Match it with ``re.fullmatch``, never with ``match``: Python's ``$`` also stands
before a final newline.
"""

import re
from typing import Any

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_HOST = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
_COMPONENT = r"[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*"

DNS_LABEL = f"^{_LABEL}$"
"""RFC 1123 label; at most LABEL_LENGTH characters."""
DNS_LABEL_OR_NOTHING = f"^({_LABEL})?$"
DNS_SUBDOMAIN = rf"^{_LABEL}(\.{_LABEL})*$"
"""RFC 1123 subdomain; at most SUBDOMAIN_LENGTH characters."""
ENV_NAME = "^[ -<>-~]+$"
"""Any printable ASCII but ``=`` (Kubernetes 1.34 and newer)."""
ENV_PREFIX = "^[ -<>-~]*$"
"""What the names of variables may begin with."""
PORT_NAME = "^[-a-z0-9]*$"
"""The letters of a port's name (RFC 6335); see ``is_port_name`` for the rest."""
IMAGE = (
    rf"^(({_HOST}(\.{_HOST})*|\[[0-9a-fA-F:]+\])(:[0-9]+)?/)?{_COMPONENT}(/{_COMPONENT})*"
    r"(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?$"
)
"""An image reference: ``[registry[:port]/]path[:tag][@digest]``."""
ABSOLUTE_PATH = "^(/.*)?$"
"""An absolute path on one line, or nothing."""
SOME_PATH = "^/.*$"
"""An absolute path on one line."""
CONFIG_KEY = "^[-._a-zA-Z0-9]+$"
"""A key in a ConfigMap or Secret, but ``.`` and what starts with ``..``; at most SUBDOMAIN_LENGTH characters."""

LABEL_LENGTH = 63
SUBDOMAIN_LENGTH = 253
PORT_NAME_LENGTH = 15
IMAGE_LENGTH = 511
IMAGE_NAME_LENGTH = 255
"""Of a reference without its tag and digest."""
ANNOTATIONS_SIZE = 256 * 1024
"""Bytes that all keys and values of the annotations may have together."""

MEANING = {
    DNS_LABEL: "must be lower case letters, digits and '-', and start and end with a letter or digit",
    DNS_LABEL_OR_NOTHING: "must be lower case letters, digits and '-', and start and end with a letter or digit",
    DNS_SUBDOMAIN: "must be lower case letters, digits, '-' and '.', and start and end with a letter or digit",
    ENV_NAME: "must be printable ASCII without '='",
    ENV_PREFIX: "must be printable ASCII without '='",
    PORT_NAME: "must be lower case letters, digits and '-'",
    IMAGE: "must be an image reference such as registry.example.com/team/app:1.2 (the path in lower case)",
    ABSOLUTE_PATH: "must be an absolute path",
    SOME_PATH: "must be an absolute path",
    CONFIG_KEY: "the key must be letters, digits, '-', '_' and '.', at most 253, and be no '.' nor start with '..'",
}
"""Pattern to the words of an error."""

LABEL_KEY = "must be [prefix/]name: letters, digits, '-', '_' and '.', at most 63"
"""What the key of a label or an annotation is, in the words of an error."""
LABEL_VALUE = "must be at most 63 letters, digits, '-', '_' and '.', and start and end with a letter or digit"


def is_subdomain(name: str) -> bool:
    """Tell whether it is an RFC 1123 subdomain, as most Kubernetes objects are named."""
    return len(name) <= SUBDOMAIN_LENGTH and re.fullmatch(DNS_SUBDOMAIN, name) is not None


def is_label(name: str) -> bool:
    """Tell whether it is an RFC 1123 label, as namespaces are named."""
    return len(name) <= LABEL_LENGTH and re.fullmatch(DNS_LABEL, name) is not None


def is_config_key(key: str) -> bool:
    """Tell whether it may be the key of a value in a ConfigMap or Secret: the pattern, and no ``.`` nor ``..…``."""
    return (
        len(key) <= SUBDOMAIN_LENGTH
        and re.fullmatch(CONFIG_KEY, key) is not None
        and key != "."
        and not key.startswith("..")
    )


def is_port_name(name: str) -> bool:
    """Tell whether a port may be called that: the pattern, at least one letter, no ``-`` at an end or doubled."""
    return (
        0 < len(name) <= PORT_NAME_LENGTH
        and re.fullmatch(PORT_NAME, name) is not None
        and re.search("[a-z]", name) is not None
        and "--" not in name
        and not name.startswith("-")
        and not name.endswith("-")
    )


def is_label_key(key: str) -> bool:
    """Tell whether ``[prefix/]name`` may key a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > SUBDOMAIN_LENGTH or not re.fullmatch(DNS_SUBDOMAIN, prefix)):
        return False
    return len(name) <= LABEL_LENGTH and re.fullmatch(_QUALIFIED, name) is not None


def is_label_value(value: str) -> bool:
    """Tell whether a label may have that value; the empty one is fine."""
    return not value or (len(value) <= LABEL_LENGTH and re.fullmatch(_QUALIFIED, value) is not None)


def image_fault(image: str) -> str | None:
    """Return what is wrong with a reference that looks like one, or None."""
    name = image_name(image)
    if len(name if "/" in name else f"library/{name}") > IMAGE_NAME_LENGTH:
        return f"must have at most {IMAGE_NAME_LENGTH} characters without tag and digest, as in a registry"
    if re.fullmatch("[0-9a-f]{64}", image):
        return "must be a name; 64 hexadecimal digits are taken for an image's identifier"
    return None


def default_hostname(pod_name: str) -> str:
    """Return the hostname of a pod that asks for none: its name, cut as the kubelet cuts it (HOST_NAME_MAX is 64)."""
    return pod_name[:LABEL_LENGTH].rstrip("-.")


def hostname_of(pod: dict[str, Any]) -> str:
    """Return the hostname inside a (normalised) pod."""
    name: str = pod["spec"].get("hostname") or default_hostname(pod["metadata"]["name"])
    return name


def image_name(image: str) -> str:
    """Return a reference without its tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def default_pull_policy(image: str) -> str:
    """Return when an image is pulled of which nothing is said, as in Kubernetes."""
    return "Always" if image_tag(image) == "latest" else "IfNotPresent"


def image_tag(image: str) -> str | None:
    """Return the tag of a reference; ``latest`` when it has neither tag nor digest, None when it has a digest only."""
    name, at, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if colon:
        return tag
    return None if at else "latest"
