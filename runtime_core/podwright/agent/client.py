# SPDX-License-Identifier: Apache-2.0
"""The host's side of the agent protocol: one JSON object a line over a pod's ``agent.sock``.

The same protocol reaches a supervisor on this host and, later, the agent inside a microVM (ARCHITECTURE.md).
"""

import json
import os
import socket

from podwright.errors import AgentError

MAX_LINE = 1 << 20  # bytes of one message, both ways


def request(run_dir: str, action: str, *, timeout: float, **fields: object) -> dict[str, object]:
    """Send one request to the supervisor of the pod in ``run_dir`` and return its answer.

    ``timeout`` is in seconds and covers the whole exchange up to each read. Raises AgentError when nobody answers, when
    the answer is not one line of JSON, and when the answer is an error.
    """
    message = json.dumps({"id": 1, "action": action, **fields}).encode() + b"\n"
    try:
        answer = json.loads(_exchange(run_dir, message, timeout))
    except OSError as error:
        raise AgentError(f"the pod's supervisor does not answer on {run_dir}/agent.sock: {error}") from error
    except ValueError as error:
        raise AgentError(f"the pod's supervisor sent something that is not JSON: {error}") from error
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        reason = answer.get("message", "no reason given") if isinstance(answer, dict) else "not an object"
        raise AgentError(f"the pod's supervisor refused {action}: {reason}")
    return answer


def _exchange(run_dir: str, message: bytes, timeout: float) -> bytes:
    # Through the folder's descriptor, as sun_path holds 107 bytes only and the run folder may be configured deep.
    folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(f"/proc/self/fd/{folder}/agent.sock")
            connection.sendall(message)
            return _read_line(connection)
    finally:
        os.close(folder)


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError("it closed the connection without an answer")
        received += chunk
        if len(received) > MAX_LINE:
            raise ValueError(f"a message of more than {MAX_LINE} bytes")
    return bytes(received)
