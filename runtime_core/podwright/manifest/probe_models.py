# SPDX-License-Identifier: Apache-2.0
"""The structure of probes; a part of ``models.py``."""

from typing import Annotated, Literal

from pydantic import Field

from podwright import limits
from podwright.manifest.model import Object


class HTTPHeader(Object):
    """A header of a request."""

    name: str
    """Its name; Host is allowed."""
    value: str
    """Its value."""


class HTTPGetAction(Object):
    """A request whose answer must have a status from 200 to 399."""

    port: int | str
    """Number, or name of one of the container's ports."""
    path: str | None = None
    """/ unless given."""
    host: str | None = None
    """IPv4 address; the pod's unless given."""
    scheme: Literal["", "HTTP", "HTTPS"] | None = None
    """Only HTTP."""
    http_headers: list[HTTPHeader] | None = None
    """Headers on top of the usual ones."""


class TCPSocketAction(Object):
    """A connection that must be accepted."""

    port: int | str
    """Number, or name of one of the container's ports."""
    host: str | None = None
    """IPv4 address; the pod's unless given."""


Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Probe(Object):
    """A question to the container, asked again and again."""

    http_get: HTTPGetAction | None = None
    """Asks for a page."""
    tcp_socket: TCPSocketAction | None = None
    """Connects."""
    initial_delay_seconds: Seconds | None = None
    """From the container's start to the first question; 0 unless given."""
    timeout_seconds: Seconds | None = None
    """After which no answer is a bad one; 1 unless given."""
    period_seconds: Seconds | None = None
    """From one question to the next; 10 unless given."""
    success_threshold: Seconds | None = None
    """Good answers in a row that count; 1 unless given."""
    failure_threshold: Seconds | None = None
    """Bad answers in a row that count; 3 unless given."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=limits.MAX_GRACE_PERIOD_SECS)] | None = None
    """Of a container that this probe ends; the pod's unless given."""
