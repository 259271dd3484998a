"""The console at `/`: its page and its files, which need no key and tell nothing of the service."""

from functools import cache

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from orchestrator.console.assets import PAGE, Asset, load_assets
from orchestrator.server.openapi import endpoints

router = APIRouter(tags=["console"])
_UNCHANGED = 304


@router.get("/", openapi_extra=endpoints.CONSOLE)
async def page(http: HttpRequest) -> Response:
    """The console, a page for browsers."""
    return _response(http, _assets()[PAGE])


@router.get("/console/{path:path}", openapi_extra=endpoints.CONSOLE_FILE)
async def file(http: HttpRequest, path: str) -> Response:
    """A script, a style or a picture of that page."""
    asset = _assets().get(path)
    if asset is None:
        raise HTTPException(404, "Not Found")
    return _response(http, asset)


@cache
def _assets() -> dict[str, Asset]:
    """Read when the first page is asked for; they are a part of the program."""
    return load_assets()


def _response(http: HttpRequest, asset: Asset) -> Response:
    if asset.is_in(http.headers.get("if-none-match", "")):
        return Response(status_code=_UNCHANGED, headers=asset.headers)
    return Response(asset.content, headers=asset.headers, media_type=asset.media_type)
