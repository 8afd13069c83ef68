# SPDX-License-Identifier: Apache-2.0
"""urllib3's connections, which do not wait forever for the head of an answer that comes byte by byte.

To be imported only by a command that talks to a registry: it imports urllib3.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

HEAD_TIMEOUT = 60.0  # seconds for status and headers together; a timeout of the socket is for each packet


class _Plain(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's own is as much at odds
        with _limited(self):
            return super().getresponse()


class _Secure(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's own is as much at odds
        with _limited(self):
            return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
"""For PoolManager.pool_classes_by_scheme."""


@contextlib.contextmanager
def _limited(connection: HTTPConnection) -> Iterator[None]:
    """Shut the connection when it takes too long, which ends whoever reads from it; then raise TimeoutError."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        if connection.sock:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(HEAD_TIMEOUT, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():  # and perhaps no error: http.client takes headers that break off for all of them
        raise TimeoutError
