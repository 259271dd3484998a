"""OpenAI's files and batches."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from experts.errors import RequestError
from orchestrator.batch.files import CHUNK_BYTES, PURPOSES, too_large
from orchestrator.batch.runner import Batching
from orchestrator.server.auth import caller_of
from orchestrator.server.bodies.batches import BatchBody
from orchestrator.server.context import context_of, read_body
from orchestrator.server.openapi import endpoints
from orchestrator.server.schemas import parse_object, validated

router = APIRouter(tags=["batches"])
MOST_LISTED = {"files": 10_000, "batches": 100}
USUALLY_LISTED = {"files": 10_000, "batches": 20}
MOST_ANSWERS, LONGEST_COUNT = 500, 12
NEXT_HEADER = "x-coterie-next"
FRAME_BYTES = 1 << 20
"""What a multipart body has beside its file, at most."""


@router.post("/v1/files", openapi_extra=endpoints.UPLOAD)
async def upload(http: HttpRequest) -> Response:
    """Keep a file of requests; it is written away as it comes."""
    batching, owner = _batching(http), _owner(http)
    limit = int(context_of(http).config.batches.max_file_mb * (1 << 20))
    parser = MultiPartParser(http.headers, _bounded(http, limit), max_files=1, max_fields=8)
    if not http.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RequestError("A file is uploaded as multipart/form-data.")
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise RequestError(f"The body is not multipart/form-data: {error}.") from error
    try:
        file, purpose = form.get("file"), form.get("purpose")
        if not isinstance(file, UploadFile):
            raise _no_file(file)
        if not isinstance(purpose, str):
            raise RequestError("`purpose` is required.", param="purpose")
        name = file.filename or "upload.jsonl"
        info = await batching.files.upload(owner, name, purpose, _pieces(file))
    finally:
        await form.close()
    return _json(info.to_json())


@router.get("/v1/files", openapi_extra=endpoints.FILES)
async def files(http: HttpRequest) -> Response:
    """The files of the caller, newest first unless `order` is `asc`."""
    purpose = http.query_params.get("purpose")
    if purpose is not None and purpose not in PURPOSES:
        raise RequestError(f"`purpose` must be one of {', '.join(PURPOSES)}.", param="purpose")
    after, limit, newest = _paging(http, "files")
    found = await _batching(http).files.list(_owner(http), purpose, after, limit, newest)
    return _json(found.to_json())


@router.get("/v1/files/{file_id}", openapi_extra=endpoints.FILE)
async def file(http: HttpRequest, file_id: str) -> Response:
    """One file's size, name and purpose."""
    return _json((await _batching(http).files.get(_owner(http), file_id)).to_json())


@router.get("/v1/files/{file_id}/content", openapi_extra=endpoints.FILE_CONTENT)
async def content(http: HttpRequest, file_id: str) -> Response:
    """The file itself."""
    batching = _batching(http)
    info = await batching.files.get(_owner(http), file_id)
    headers = {"content-length": str(info.bytes)}
    kind = "application/octet-stream"
    return StreamingResponse(batching.files.content(info), headers=headers, media_type=kind)


@router.delete("/v1/files/{file_id}", openapi_extra=endpoints.FILE_DELETED)
async def delete_file(http: HttpRequest, file_id: str) -> Response:
    """Forget a file, unless a batch that has not ended is made of it."""
    await _batching(http).batches.delete_file(_owner(http), file_id)
    return _json({"id": file_id, "object": "file", "deleted": True})


@router.post("/v1/batches", openapi_extra=endpoints.NEW_BATCH)
async def create_batch(http: HttpRequest) -> Response:
    """Answer the requests of a file, as class `batch`, beside live traffic."""
    batching = _batching(http)
    raw = await read_body(http, context_of(http).config.server.max_body_mb)
    body = validated(BatchBody, parse_object(raw))
    batch = await batching.batches.create(
        _owner(http), body.input_file_id, body.endpoint, body.completion_window, body.metadata
    )
    batching.runner.look()
    return _json(batch.to_json())


@router.get("/v1/batches", openapi_extra=endpoints.BATCHES)
async def batches(http: HttpRequest) -> Response:
    """The batches of the caller, newest first unless `order` is `asc`."""
    after, limit, newest = _paging(http, "batches")
    found = await _batching(http).batches.list(_owner(http), after, limit, newest)
    return _json(found.to_json())


@router.get("/v1/batches/{batch_id}", openapi_extra=endpoints.BATCH)
async def batch(http: HttpRequest, batch_id: str) -> Response:
    """How far a batch is."""
    return _json((await _batching(http).batches.get(_owner(http), batch_id)).to_json())


@router.get("/v1/batches/{batch_id}/answers", openapi_extra=endpoints.BATCH_ANSWERS)
async def answers(http: HttpRequest, batch_id: str) -> Response:
    """What has been answered so far, in that order, from the `after`th result on.

    The header `x-coterie-next` tells the next `after`. All is in the output file in the end.
    """
    after = http.query_params.get("after", "0")
    if not after.isdecimal() or len(after) > LONGEST_COUNT:
        raise RequestError("`after` must be a whole number.", param="after")
    found = await _batching(http).batches.get(_owner(http), batch_id)
    some, following = await _batching(http).runner.answers(found.id, int(after), MOST_ANSWERS)
    headers = {NEXT_HEADER: str(following)}
    return Response(b"".join(some), media_type="application/jsonl", headers=headers)


@router.post("/v1/batches/{batch_id}/cancel", openapi_extra=endpoints.BATCH_CANCELLED)
async def cancel_batch(http: HttpRequest, batch_id: str) -> Response:
    """End a batch; what has been answered by then is kept."""
    batching = _batching(http)
    found = await batching.batches.cancel(_owner(http), batch_id)
    batching.runner.look()
    return _json(found.to_json())


def _batching(http: HttpRequest) -> Batching:
    batching = context_of(http).batching
    assert batching is not None, "the routes are there where batches are"
    return batching


def _owner(http: HttpRequest) -> str | None:
    caller = caller_of(http.scope)
    return caller.name if caller is not None else None


def _no_file(given: str | None) -> RequestError:
    """About a form without a file; a field without a file's name is a text."""
    if given is None:
        return RequestError("`file` is required.", param="file")
    hint = "With curl: -F file=@PATH; the @ sends the file's content."
    return RequestError("`file` is a text, not a file.", hint=hint, param="file")


def _paging(http: HttpRequest, what: str) -> tuple[str | None, int, bool]:
    """`after`, `limit`, and whether the newest come first. Raises RequestError."""
    order = http.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise RequestError("`order` must be asc or desc.", param="order")
    given = http.query_params.get("limit", str(USUALLY_LISTED[what]))
    if not given.isdecimal() or not 1 <= int(given) <= MOST_LISTED[what]:
        raise RequestError(f"`limit` must be from 1 to {MOST_LISTED[what]}.", param="limit")
    return http.query_params.get("after"), int(given), order == "desc"


def _json(tree: Any) -> Response:
    # Not JSONResponse: it cannot encode half a surrogate, which a client may have sent.
    return Response(json.dumps(tree), media_type="application/json")


async def _bounded(http: HttpRequest, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises BodyTooLarge as soon as its file must be too large."""
    size = 0
    async for piece in http.stream():
        size += len(piece)
        if size > limit + FRAME_BYTES:
            raise too_large(limit)
        yield piece


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(CHUNK_BYTES):
        yield piece
