"""Unpacks request bodies, never further than the bound on a body."""

import gzip
import io
import zlib
from collections.abc import Callable

from experts.errors import BodyTooLarge, RequestError, UnknownEncoding

MOST_ENCODINGS = 2
"""How many encodings a body may have on top of each other."""


def encodings_of(header: str) -> list[str]:
    """The encodings that a `content-encoding` names, in the order to undo them.

    Raises UnknownEncoding.
    """
    names = [name.strip().lower() for name in header.split(",")]
    wanted = [name for name in names if name not in ("", "identity")]
    if len(wanted) > MOST_ENCODINGS or any(name not in _UNPACK for name in wanted):
        raise UnknownEncoding(
            "The body is packed in a way that is not known here (content-encoding).",
            hint=f"Known: {ACCEPTED}.",
        )
    return wanted[::-1]


def inflate(data: bytes, encodings: list[str], limit: int) -> bytes:
    """The bytes as they were before they were packed; blocks.

    No more than `limit` bytes (and one) are ever unpacked, whatever a small body claims to hold.
    Raises BodyTooLarge beyond them, and RequestError for what was packed in another way or is not
    whole.
    """
    for name in encodings:
        try:
            data = _UNPACK[name](data, limit + 1) if data else b""
        except (zlib.error, EOFError, OSError) as error:
            raise RequestError(f"The body is not valid {name} (content-encoding).") from error
        if len(data) > limit:
            raise BodyTooLarge("The body is too large when it is unpacked (server.max_body_mb).")
    return data


def _gzip(data: bytes, most: int) -> bytes:
    """Of one member, or of several that follow each other (RFC 1952, 2.2)."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(most)


def _deflate(data: bytes, most: int) -> bytes:
    """With zlib's head, as RFC 9110 wants it, or bare, as some clients send it."""
    headed = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
    return _zlib(data, most, zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)


def _zlib(data: bytes, most: int, wbits: int) -> bytes:
    """Up to `most` bytes of a stream. Raises EOFError where it is cut short, or more follows."""
    stream = zlib.decompressobj(wbits)
    piece = stream.decompress(data, most)
    if len(piece) < most and (not stream.eof or stream.unused_data):
        raise EOFError
    return piece


def _by_arrow(codec: str) -> Callable[[bytes, int], bytes]:
    def unpack(data: bytes, most: int) -> bytes:
        # Imported by the first body that needs it: pyarrow takes a tenth of a second and 40 MB.
        import pyarrow  # noqa: PLC0415

        with pyarrow.CompressedInputStream(io.BytesIO(data), codec) as stream:
            unpacked: bytes = stream.read(most)
        return unpacked

    return unpack


_UNPACK: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _by_arrow("zstd"),
    "br": _by_arrow("brotli"),
}
ACCEPTED = ", ".join(_UNPACK)
"""The encodings of bodies, as the header `accept-encoding` lists them."""
