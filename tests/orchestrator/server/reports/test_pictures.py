"""Pictures of a report's page as files of their own."""

from xml.etree import ElementTree

from evals.report.pictures.svg import picture as drawn
from evals.report.pictures.svg import text
from orchestrator.server.reports.pictures import names_of, picture

STYLE = "<style>:root { --ink: #111 } @media (width < 40rem) { svg > text { fill: red } }</style>"


def _page() -> str:
    pictures = [str(drawn(10, 5, title, [text(1, 2, "a < b & c")])) for title in ("one", "two")]
    return f"<!doctype html>{STYLE}<p>x</p>{pictures[0]}<p>y</p>{pictures[1]}"


def test_each_picture_is_a_whole_file_with_the_pages_styles() -> None:
    assert names_of(_page()) == ["picture-1.svg", "picture-2.svg"]
    for name, title in (("picture-1.svg", "one"), ("picture-2.svg", "two")):
        whole = picture(_page(), name)
        assert whole is not None
        tree = ElementTree.fromstring(whole)  # noqa: S314 - it is our own
        assert tree.get("aria-label") == title
        style, words = tree
        assert style.text is not None
        assert "width < 40rem" in style.text
        assert words.text == "a < b & c"


def test_there_are_no_others() -> None:
    for name in ("picture-0.svg", "picture-3.svg", "picture-01.svg", "report.html", ""):
        assert picture(_page(), name) is None
    assert names_of("<p>nothing</p>") == []
