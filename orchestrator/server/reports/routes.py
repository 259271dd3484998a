"""Endpoints of the reports of evaluations: a list, one report, and its files."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from experts.errors import UnknownObject
from orchestrator.server.auth import require_unrestricted
from orchestrator.server.bodies.console.reports import ReportList, ReportTold
from orchestrator.server.context import context_of
from orchestrator.server.openapi import endpoints
from orchestrator.server.reports.folder import PAGE, Reports

router = APIRouter(prefix="/coterie/reports", tags=["reports"])
SANDBOX = {
    # Whatever a file holds, it runs nothing here and asks nobody.
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


@router.get("", openapi_extra=endpoints.REPORTS)
async def reports(http: HttpRequest) -> ReportList:
    """The reports below `server.reports.folder`, the newest first."""
    require_unrestricted(http.scope)
    if context_of(http).config.server.reports is None:
        return {"shown": False, "reports": []}
    found = await asyncio.to_thread(_reports(http).all)
    return {"shown": True, "reports": [{"name": one.name, "at": one.at} for one in found]}


@router.get("/{name}", openapi_extra=endpoints.REPORT)
async def report(http: HttpRequest, name: str) -> ReportTold:
    """One report as Markdown, with the names of its page and its pictures."""
    known = _reports(http)
    found = await asyncio.to_thread(known.named, name)
    files = [path.name for path in await asyncio.to_thread(found.files)]
    pictures = await asyncio.to_thread(known.pictures, found)
    return {
        "name": found.name,
        "at": found.at,
        "text": await asyncio.to_thread(known.text, found),
        "page": PAGE if PAGE in files else None,
        "pictures": pictures,
    }


@router.get("/{name}/files/{file}", openapi_extra=endpoints.REPORT_FILE)
async def report_file(http: HttpRequest, name: str, file: str) -> Response:
    """The page of a report, or one of its pictures."""
    content, kind = await asyncio.to_thread(_reports(http).file, name, file)
    return Response(content, media_type=kind, headers=SANDBOX)


def _reports(http: HttpRequest) -> Reports:
    require_unrestricted(http.scope)
    config = context_of(http).config.server.reports
    if config is None:
        raise UnknownObject(
            "This service shows no reports.",
            hint="Name the folder that has them in `server.reports.folder`.",
        )
    return Reports(config)
