# SPDX-License-Identifier: Apache-2.0
"""The structure of probes, gates and hooks; a part of ``models.py``."""

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
    """Address or name; the pod's address unless given."""
    scheme: Literal["", "HTTP", "HTTPS"] | None = None
    """HTTP unless given. HTTPS takes any certificate."""
    http_headers: list[HTTPHeader] | None = None
    """Headers on top of the usual ones."""


class TCPSocketAction(Object):
    """A connection that must be accepted."""

    port: int | str
    """Number, or name of one of the container's ports."""
    host: str | None = None
    """Address or name; the pod's address unless given."""


class ExecAction(Object):
    """A program in the container, which must end with exit code 0."""

    command: list[str] | None = None
    """Program and arguments; no shell, unless it is the program."""


class GRPCAction(Object):
    """A call of gRPC's health service, which must answer SERVING."""

    port: Annotated[int, Field(ge=1, le=65535)]
    """Number of the port."""
    service: str | None = None
    """Name of the service that is asked for; the server as a whole unless given."""


class SleepAction(Object):
    """A pause."""

    seconds: int
    """Its length, at most the pod's grace period."""


Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Probe(Object):
    """A question to the container, asked again and again."""

    exec: ExecAction | None = None
    """Runs a program in the container."""
    http_get: HTTPGetAction | None = None
    """Asks for a page."""
    tcp_socket: TCPSocketAction | None = None
    """Connects."""
    grpc: GRPCAction | None = None
    """Calls gRPC's health service."""
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


class LifecycleHandler(Object):
    """Something to do at a point of a container's life."""

    exec: ExecAction | None = None
    """Runs a program in the container."""
    http_get: HTTPGetAction | None = None
    """Asks for a page, and takes any answer."""
    tcp_socket: TCPSocketAction | None = None
    """Always fails, as in Kubernetes."""
    sleep: SleepAction | None = None
    """Waits."""


class Lifecycle(Object):
    """What is done when the container has started, and before it is told to stop."""

    post_start: LifecycleHandler | None = None
    """Right after the start; the next container waits for it, and its failure ends the container."""
    pre_stop: LifecycleHandler | None = None
    """Before the stop signal, within the grace period."""
    stop_signal: str | None = None
    """Signal that asks the container to stop, instead of the image's; needs spec.os.name."""


class PodReadinessGate(Object):
    """A condition of the pod that somebody else sets."""

    condition_type: str
    """Its type."""
