"""What is told of the reports of evaluations."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict


class ReportShort(TypedDict):
    """A report in a list."""

    name: Annotated[str, Field(description="That of its folder.")]
    at: Annotated[float, Field(description="When it was written, in seconds since 1970.")]


class ReportList(TypedDict):
    """The reports, the newest first."""

    shown: Annotated[bool, Field(description="Whether the configuration names a folder of them.")]
    reports: list[ReportShort]


class ReportTold(ReportShort):
    """One report."""

    text: Annotated[str, Field(description="The report as Markdown; empty where there is none.")]
    page: Annotated[str | None, Field(description="The file of its page, if it has one.")]
    pictures: Annotated[list[str], Field(description="Its pictures, also those inside its page.")]
