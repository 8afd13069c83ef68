# SPDX-License-Identifier: Apache-2.0
"""A pod that was made but is not well, told to the engine such that it is neither lost nor taken for done.

The engine's protocol has an error for this, ErrorResourceInitFailed: the resource is kept in the state with what is
wrong with it, the next ``up`` goes on, and ``destroy`` ends it. Pulumi's dynamic providers have no word for it and
would forget the resource, hence the way around them: the context of the engine's call is taken from the call stack.
"""

import sys
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]  # grpcio carries no types

if TYPE_CHECKING:
    from types import FrameType


def report(id_: str, properties: dict[str, Any], reason: str) -> None:
    """End the engine's call with the news that the resource is there and what is wrong with it.

    ``properties`` are those of the result, with ``__provider``. Returns only when no call is found on the stack (the
    provider is used by a test, or Pulumi has changed inside): the caller then raises what it has.
    """
    context = _context()
    if context is None:
        return
    from google.protobuf import any_pb2, struct_pb2  # type: ignore[import-untyped]  # protobuf carries no types
    from pulumi.runtime.proto import provider_pb2, status_pb2

    kept = struct_pb2.Struct()
    kept.update({key: value for key, value in properties.items() if value is not None})
    detail = any_pb2.Any()
    detail.Pack(provider_pb2.ErrorResourceInitFailed(id=id_, properties=kept, reasons=[reason]))
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, reason)


def _context() -> grpc.ServicerContext | None:
    """Return the context of the call that this thread is answering."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        context = frame.f_locals.get("context")
        if isinstance(context, grpc.ServicerContext):
            return context
        frame = frame.f_back
    return None
