"""Packed bodies are unpacked as they were packed, and no further than the bound."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.errors import BodyTooLarge, RequestError, UnknownEncoding
from orchestrator.server.wire.inflating import encodings_of, inflate

LIMIT = 10_000


def _by_arrow(codec: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(data)
        packed: bytes = sink.getvalue().to_pybytes()
        return packed

    return pack


def _bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACK: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _bare),
    ("zstd", _by_arrow("zstd")),
    ("br", _by_arrow("brotli")),
]
PACKED = pytest.mark.parametrize(
    ("name", "pack"), PACK, ids=lambda one: getattr(one, "__name__", one)
)


@settings(deadline=None)
@given(
    inner=st.sampled_from(PACK),
    outer=st.sampled_from([None, *PACK]),
    data=st.binary(max_size=300),
    repeated=st.integers(1, 30),
)
def test_what_was_packed_comes_back(inner: Any, outer: Any, data: bytes, repeated: int) -> None:
    data *= repeated
    header, packed = inner[0], inner[1](data)
    if outer is not None:
        header, packed = f"{header}, {outer[0]}", outer[1](packed)
    assert inflate(packed, encodings_of(header), LIMIT) == data


@PACKED
@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT])
def test_the_bound_holds_for_what_is_unpacked(
    name: str, pack: Callable[[bytes], bytes], length: int
) -> None:
    packed = pack(bytes(length))
    if length <= LIMIT:
        assert len(inflate(packed, [name], LIMIT)) == length
    else:
        with pytest.raises(BodyTooLarge):
            inflate(packed, [name], LIMIT)


@PACKED
def test_a_bomb_is_not_unpacked(name: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(bytes(1 << 26))
    before = pa.total_allocated_bytes()
    with pytest.raises(BodyTooLarge):
        inflate(packed, [name], LIMIT)
    assert pa.total_allocated_bytes() - before < 1 << 20


@settings(deadline=None)
@given(data=st.binary(min_size=1, max_size=200), cut=st.integers(1, 50), more=st.binary(max_size=3))
@PACKED
def test_what_is_cut_short_or_followed_by_more_is_refused(
    name: str, pack: Callable[[bytes], bytes], data: bytes, cut: int, more: bytes
) -> None:
    packed = pack(data)
    wrong = packed + b"x" + more if more else packed[: -min(cut, len(packed) - 1)]
    with pytest.raises(RequestError, match="is not valid"):
        inflate(wrong, [name], LIMIT)


@given(st.lists(st.binary(max_size=99), min_size=1, max_size=9), st.integers(0, 9))
def test_members_of_gzip_are_one_text(pieces: list[bytes], zeros: int) -> None:
    packed = b"".join(map(gzip.compress, pieces)) + bytes(zeros)
    assert inflate(packed, ["gzip"], LIMIT) == b"".join(pieces)


def test_the_bound_holds_for_all_members_together() -> None:
    with pytest.raises(BodyTooLarge):
        inflate(gzip.compress(bytes(LIMIT)) + gzip.compress(b"x"), ["gzip"], LIMIT)


@given(data=st.binary(max_size=100))
@PACKED
def test_whatever_comes_is_unpacked_or_refused(
    name: str, pack: Callable[[bytes], bytes], data: bytes
) -> None:
    try:
        assert len(inflate(data, [name], LIMIT)) <= LIMIT
    except RequestError as error:
        assert name in str(error)  # noqa: PT017 (nothing need be raised)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", ["gzip"]),
        (" GZip ,", ["gzip"]),
        ("identity", []),
        ("deflate, identity, br", ["br", "deflate"]),
    ],
)
def test_the_last_encoding_is_undone_first(header: str, expected: list[str]) -> None:
    assert encodings_of(header) == expected


@pytest.mark.parametrize("header", ["compress", "gzip;q=1", "gzip, lzma", "gzip, gzip, gzip", "*"])
def test_other_encodings_are_unknown(header: str) -> None:
    with pytest.raises(UnknownEncoding, match="gzip, x-gzip, deflate, zstd, br"):
        encodings_of(header)


# Over HTTP.

ASKED = json.dumps(
    {"model": "tiny", "messages": [{"role": "user", "content": "stream 3"}]}
).encode()


@PACKED
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/e/tiny/v1/chat/completions"])
async def test_a_packed_request_is_answered(
    gateway: Any, name: str, pack: Callable[[bytes], bytes], path: str
) -> None:
    headers = {"content-encoding": name, "content-type": "application/json"}
    answer = await gateway.http.post(path, content=pack(ASKED), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "wörd"


async def test_two_header_lines_are_one_list(gateway: Any) -> None:
    headers = [("content-encoding", "gzip"), ("content-encoding", "gzip")]
    body = gzip.compress(gzip.compress(ASKED))
    answer = await gateway.http.post("/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("header", "body", "status", "code"),
    [
        ("compress", ASKED, 415, "unknown_encoding"),
        ("gzip", ASKED, 400, "invalid_request"),
        ("gzip", gzip.compress(bytes(1 << 20)), 413, "body_too_large"),
        ("br", _by_arrow("brotli")(bytes(1 << 20)), 413, "body_too_large"),
        ("identity", ASKED, 200, None),
        ("gzip", b"", 400, "invalid_request"),
    ],
)
async def test_what_cannot_be_unpacked_is_refused(
    serve: Any, header: str, body: bytes, status: int, code: str | None
) -> None:
    gateway = await serve(server={"max_body_mb": 0.01})
    headers = {"content-encoding": header}
    answer = await gateway.http.post("/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code
    if status == 415:
        assert answer.headers["accept-encoding"] == "gzip, x-gzip, deflate, zstd, br"
