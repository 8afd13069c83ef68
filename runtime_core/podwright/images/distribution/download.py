# SPDX-License-Identifier: Apache-2.0
"""A blob on its way from one place: resumed where it broke off, and ended when it is not what it should be."""

import re
from collections.abc import Iterator

from podwright.errors import ImageError
from podwright.images.distribution.http import Response, TransientError
from podwright.images.distribution.repository import Repository
from podwright.images.documents import Descriptor

PROGRESS = 64 << 10  # bytes; a connection that brought as many was worth it, and the attempts count from one again


def download(repository: Repository, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
    """Yield a blob's bytes from ``offset`` on, unverified but never more than its size.

    Raises ImageError when it cannot be had, has another size, or does not get on in spite of all attempts.
    """
    position = counted = offset
    retry = repository.attempts()
    ranges = True  # until they prove useless
    while position < descriptor.size:
        headers = {"Range": f"bytes={position}-"} if position and ranges else {}
        expect = (200, 206, 416) if headers else (200,)
        path = f"blobs/{descriptor.digest}"
        try:
            with repository.exchange("GET", path, headers=headers, expect=expect, retry=retry) as answer:
                skip = _before(answer, position, descriptor)
                if skip is None:
                    ranges = False
                    continue
                for chunk in _rest(answer.chunks, skip):
                    position += len(chunk)
                    if position > descriptor.size:
                        raise _of_another_size(descriptor, "more")
                    yield chunk
                    if position - counted >= PROGRESS:
                        counted = position
                        retry.reset()
            if position < descriptor.size:
                raise TransientError(f"the blob {descriptor.digest} ends after {position} of {descriptor.size} bytes")
        except TransientError as error:
            if position < descriptor.size:
                retry.wait(error)


def _before(answer: Response, position: int, descriptor: Descriptor) -> int | None:
    """Return how many bytes of an answer come before those that are wanted; None when it is of no use."""
    if answer.status == 200:  # all of it, whatever was asked for
        if answer.length not in (None, descriptor.size):
            raise _of_another_size(descriptor, str(answer.length))
        return position
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", answer.headers.get("content-range", ""))
    if answer.status == 416 or not match or int(match[1]) > position:
        return None
    if match[2] not in ("*", str(descriptor.size)):
        raise _of_another_size(descriptor, match[2])
    return position - int(match[1])


def _rest(chunks: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


def _of_another_size(descriptor: Descriptor, size: str) -> ImageError:
    return ImageError(f"the blob {descriptor.digest} comes with {size} bytes, and must have {descriptor.size}")
