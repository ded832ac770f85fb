"""Reading request bodies within limits of size, of time, and of memory for all of them together.

A body is counted while it arrives and again while it is unpacked, so that neither a wrong Content-Length nor a gzip
bomb takes more than the limit.
"""

from __future__ import annotations

import asyncio
import zlib
from types import TracebackType
from typing import Final, Protocol, Self

import zstandard
from starlette.requests import Request
from starlette.types import Receive

from moose_lib.server.incoming import Incoming
from moose_lib.server.refusals import BodyIncomplete, BodyTooLarge, ServerBusy, UnknownEncoding

_CHUNK: Final = 64 * 1024
_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16


class Budget:
    """The bytes of all bodies that may be in memory at a time."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> None:
        """Take bytes.

        Raises:
            ServerBusy: there are not so many left.
        """
        if size > self._left:
            raise ServerBusy
        self._left -= size

    def give_back(self, size: int) -> None:
        """They are free again."""
        self._left += size


class Share:
    """What one request has taken of the budget: nothing at first, and given back when its `with` block ends."""

    __slots__ = ("_budget", "_taken")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.give_back(self._taken)

    def add(self, size: int) -> None:
        """Take more.

        Raises:
            ServerBusy: there is not so much left.
        """
        self._budget.take(size)
        self._taken += size


class _Unpacker(Protocol):
    """Unpacks a body piece by piece, at most `limit` bytes at a time."""

    def feed(self, data: bytes, limit: int) -> bytes: ...

    @property
    def is_complete(self) -> bool: ...


class BodyReader:
    """Reads bodies of at most `limit` bytes that arrive within `seconds`."""

    def __init__(self, *, limit: int, seconds: float, budget: Budget) -> None:
        self._limit = limit
        self._seconds = seconds
        self._budget = budget

    def share(self) -> Share:
        """Memory for one request: hold it, in a `with` block, for as long as its body is in use."""
        return Share(self._budget)

    async def read(self, incoming: Incoming, share: Share) -> bytes:
        """The body, unpacked.

        Raises:
            BodyTooLarge: it is over the limit, as it comes or unpacked.
            BodyIncomplete: it did not arrive in time, or not whole, or is not what its encoding says.
            UnknownEncoding: it is packed in a way that is not read here.
            ServerBusy: the bodies on their way take all the memory there is for them.
        """
        length = incoming.header(b"content-length")
        if length is not None and length.isdecimal() and int(length) > self._limit:
            raise BodyTooLarge(self._limit)
        unpacker = _unpacker(incoming.header(b"content-encoding"))
        try:
            if incoming.has_body:
                return await self._collect(incoming.receive, unpacker, share)
            async with asyncio.timeout(self._seconds):
                return await self._collect(incoming.receive, unpacker, share)
        except TimeoutError:
            raise BodyIncomplete(f"it did not arrive within {self._seconds:g} s") from None
        except (zlib.error, zstandard.ZstdError) as error:
            raise BodyIncomplete(f"it is not what its Content-Encoding says: {error}") from None

    async def whole(self, request: Request) -> bytes:
        """The body of a request that is not read in parts; raises what `read` does."""
        with self.share() as share:
            return await self.read(Incoming(request.scope, request.receive), share)

    async def _collect(self, receive: Receive, unpacker: _Unpacker | None, share: Share) -> bytes:
        chunks, size, has_more = list[bytes](), 0, True
        while has_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise BodyIncomplete("the connection was closed")
            arrived, has_more = message.get("body", b""), message.get("more_body", False)
            chunk = arrived if unpacker is None else unpacker.feed(arrived, self._limit + 1 - size)
            size += len(chunk)
            if size > self._limit:
                raise BodyTooLarge(self._limit)
            share.add(len(chunk))
            chunks.append(chunk)
        if unpacker is not None and not unpacker.is_complete:
            raise BodyIncomplete("its packed form ends in the middle")
        return b"".join(chunks)


def _unpacker(encoding: str | None) -> _Unpacker | None:
    if encoding is None:
        return None
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Gzip()
        case "zstd":
            return _Zstd()
        case other:
            raise UnknownEncoding(other)


class _Gzip:
    """Members may follow each other, as log shippers write them; what follows the last one has to be one too."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes, limit: int) -> bytes:
        chunks, size = list[bytes](), 0
        while data and size < limit:
            if self._object.eof:
                self._object = zlib.decompressobj(_GZIP_WINDOW)
            chunks.append(self._object.decompress(data, limit - size))
            size += len(chunks[-1])
            data = self._object.unused_data
        return b"".join(chunks)

    @property
    def is_complete(self) -> bool:
        return self._object.eof


class _Zstd:
    """Likewise with frames.

    The library unpacks all that it is given, so it is given little: 256 bytes make at most 64 blocks of 128 KiB.
    """

    def __init__(self) -> None:
        self._library = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024)
        self._object = self._library.decompressobj()

    def feed(self, data: bytes, limit: int) -> bytes:
        chunks, size = list[bytes](), 0
        for begin in range(0, len(data), 256):
            chunks.append(self._unpack(data[begin : begin + 256]))
            size += len(chunks[-1])
            if size > limit:
                break
        return b"".join(chunks)

    def _unpack(self, data: bytes) -> bytes:
        chunks = list[bytes]()
        while data:
            if self._object.eof:
                self._object = self._library.decompressobj()
            chunks.append(self._object.decompress(data))
            data = self._object.unused_data if self._object.eof else b""
        return b"".join(chunks)

    @property
    def is_complete(self) -> bool:
        return self._object.eof
