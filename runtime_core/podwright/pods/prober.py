# SPDX-License-Identifier: Apache-2.0
"""The program that ``podinit`` starts for one probe that it cannot make itself: TLS, names, redirections, gRPC.

It is executed by its path, in the pod's network, and imports nothing but Python's own modules. Its exit code is that of
an action (``podinit/action.h``), and what it prints says why.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterator, Sequence

GOOD, BAD, WARNING = 0, 1, 3
_MAX_BODY = 10240  # bytes, as the kubelet
_MAX_REDIRECTS = 10
_REDIRECTIONS = (301, 302, 303, 307, 308)
# Of HTTP/2 (RFC 9113).
_DATA, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 3, 4, 6, 7, 8
_HEADERS = 1
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_STREAM = 1
_MAX_FRAME = 16384
_HEALTH = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


def main(arguments: Sequence[str]) -> int:
    """Carry out one of these.

    ``http URL HEADERS TIMEOUT``, ``send`` with the same, ``tcp HOST PORT TIMEOUT``, ``grpc HOST PORT SERVICE TIMEOUT``.
    """
    kind, *rest = arguments
    try:
        if kind == "tcp":
            host, port, timeout = rest
            socket.create_connection((host, int(port)), float(timeout)).close()
            return GOOD
        if kind == "grpc":
            host, port, service, timeout = rest
            return _grpc(host, int(port), service, float(timeout))
        url, headers, timeout = rest
        if kind == "send":
            return _send(url, json.loads(headers), float(timeout))
        return _http(url, json.loads(headers), float(timeout), any_status=False)
    except (OSError, ValueError, EOFError) as error:
        print(_words(error), end="")
        return BAD


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _send(url: str, headers: Sequence[Sequence[str]], timeout: float) -> int:
    """Send a hook's request: where no TLS answers, as the kubelet does it, without TLS and without secrets."""
    import ssl

    try:
        return _http(url, headers, timeout, any_status=True)
    except ssl.SSLError as error:
        if error.reason not in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            raise
        plain = [header for header in headers if header[0].lower() != "authorization"]
        return _http(url.replace("https:", "http:", 1), plain, timeout, any_status=True)


def _http(url: str, headers: Sequence[Sequence[str]], timeout: float, *, any_status: bool) -> int:
    from http.client import HTTPException
    from urllib.parse import urljoin, urlsplit

    host, path = urlsplit(url).hostname, url
    for _ in range(_MAX_REDIRECTS):
        try:
            answer = _ask(path, headers, timeout)
        except HTTPException as error:
            print(f"the answer is no HTTP response: {_words(error)}", end="")
            return BAD
        location = answer.getheader("Location") if answer.status in _REDIRECTIONS else None
        if location is None or urlsplit(urljoin(path, location)).hostname != host:
            return _verdict(answer, any_status=any_status)
        if urlsplit(location).netloc:  # only a Host for the same place goes along
            headers = [header for header in headers if header[0].lower() != "host"]
        path = urljoin(path, location)
    print(f"stopped after {_MAX_REDIRECTS} redirects", end="")
    return BAD


def _ask(url: str, headers: Sequence[Sequence[str]], timeout: float) -> http.client.HTTPResponse:
    """Send one request, over TLS without a look at the certificate."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    has_host = any(name.lower() == "host" for name, _ in headers)
    connection.putrequest("GET", target, skip_host=has_host, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Connection", "close")
    connection.endheaders()
    return connection.getresponse()


def _verdict(answer: http.client.HTTPResponse, *, any_status: bool) -> int:
    if any_status or 200 <= answer.status < 300:
        return GOOD
    if 300 <= answer.status < 400:
        body = answer.read(_MAX_BODY).decode(errors="replace")
        print(f"Probe terminated redirects, Response body: {body}", end="")
        return WARNING
    print(f"HTTP probe failed with statuscode: {answer.status}", end="")
    return BAD


def _grpc(host: str, port: int, service: str, timeout: float) -> int:
    """Call Check of grpc.health.v1.Health, without TLS, in the few frames that it takes."""
    try:
        connection = socket.create_connection((host, port), timeout)
    except OSError as error:
        print(f'error: failed to connect service at "{host}:{port}": {_words(error)}', end="")
        return BAD
    with connection:
        connection.sendall(_call(f"{host}:{port}", service.encode()))
        message = _message(connection)
    if message is None:
        print("error: health rpc probe failed: the server has no such service, or no health protocol", end="")
        return BAD
    status = _health(message)
    if status == "SERVING":
        return GOOD
    print(f'service unhealthy (responded with "{status}")', end="")
    return BAD


def _call(authority: str, service: bytes) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": authority,
        "content-type": "application/grpc",
        "user-agent": "kube-probe/1.36",
        "te": "trailers",
    }
    block = b"".join(b"\0" + _short(name.encode()) + _short(value.encode()) for name, value in headers.items())
    request = b"\x0a" + _varint(len(service)) + service if service else b""
    body = struct.pack(">BI", 0, len(request)) + request
    return b"".join(
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            _frame(_SETTINGS, 0, 0, b""),
            _frame(_HEADERS, _END_HEADERS, _STREAM, block),
            _frame(_DATA, _END_STREAM, _STREAM, body),
        )
    )


def _short(text: bytes) -> bytes:
    """Return a string literal of HPACK (RFC 7541), which all of ours are short enough for."""
    return bytes((len(text),)) + text


def _varint(number: int) -> bytes:
    result = b""
    while number > 0x7F:
        result += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return result + bytes((number,))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _message(connection: socket.socket) -> bytes | None:
    """Return the message of the answer, None for an answer without one."""
    body = b""
    for kind, flags, stream, payload in _frames(connection):
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            connection.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _GOAWAY or (kind == _RST_STREAM and stream == _STREAM):
            raise ValueError("error: health rpc probe failed: the server broke it off")
        elif kind == _DATA and stream == _STREAM:
            body += payload[1 : len(payload) - payload[0]] if flags & 8 and payload else payload
        if len(body) > _MAX_BODY:
            raise ValueError("error: health rpc probe failed: the answer is too long")
        if kind in (_DATA, _HEADERS) and stream == _STREAM and flags & _END_STREAM:
            break
    return body[5:] if len(body) >= 5 else None


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    with connection.makefile("rb") as stream:
        while True:
            head = stream.read(9)
            if len(head) < 9:
                raise EOFError("error: health rpc probe failed: the server closed the connection")
            length = int.from_bytes(head[:3], "big")
            if length > _MAX_FRAME:
                raise ValueError("error: health rpc probe failed: the server does not speak HTTP/2")
            kind, flags, number = struct.unpack(">BBI", head[3:])
            yield kind, flags, number & 0x7FFFFFFF, stream.read(length)


def _health(message: bytes) -> str:
    """Return the status of a HealthCheckResponse: field 1, UNKNOWN when it is left out."""
    number = message[1] if len(message) >= 2 and message[0] == 8 else 0
    return _HEALTH[number] if number < len(_HEALTH) else str(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
