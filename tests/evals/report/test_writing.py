"""The files of a report, from honest and from hostile runs."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_runs import Setting, info, make_run, rows, write_run

from evals.report.page.page import CARD_BYTES
from evals.report.writing import write, write_report
from evals.runs.record import RUN_FILE, SAMPLES_FILE
from experts.errors import CoterieError

HOSTILE = (
    "<script>alert(1)</script>]]></pre></details><img src=x onerror=alert(2)>"
    "\x00\x1b[2J\u202e{{ 7 * 7 }}\"'><svg/onload=alert(3)> {}"
)
VOID = {"meta", "input", "br", "img", "link"}


class Elements(HTMLParser):
    """Counts elements and attributes, and checks that every element ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def _pictures(page: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", page, re.S)


def test_three_files_stand_beside_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, Setting(samples=2, tasks=("x", "y")))
    found = write_report(run)
    assert [path.name for path in found.files] == ["report.md", "report.json", "report.html"]
    assert {path.name for path in run.iterdir()} == {
        *(path.name for path in found.files), RUN_FILE, SAMPLES_FILE,
    }  # fmt: skip
    tree = json.loads((run / "report.json").read_text())
    assert tree["overall"]["lines"][0]["accuracy"]["mean"] == pytest.approx(
        found.report.overall.lines[0].accuracy.mean
    )
    headings = re.findall(r"^## (.*)$", (run / "report.md").read_text(), re.M)
    assert headings == [
        "All tasks", "x", "y", "Several draws", "By category", "Quality against price",
        "Who was chosen", "Confidence", "Loads", "How to read this",
    ]  # fmt: skip


def test_the_page_asks_for_nothing_and_has_every_picture(tmp_path: Path) -> None:
    write_report(make_run(tmp_path))
    page = _page(tmp_path)
    elements = Elements(page)
    assert not elements.open
    assert elements.links == []
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    # Accuracy, frontier, three diagrams, and the timeline.
    pictures = _pictures(page)
    assert len(pictures) == 6
    for picture in pictures:
        ElementTree.fromstring(picture)  # noqa: S314 - our own
        assert not re.search(r"#[0-9a-f]{3,6}\b|nan|inf\b", picture)


def test_nothing_of_a_model_is_markup(tmp_path: Path) -> None:
    text = HOSTILE.replace("{}", "").replace("{", "{{").replace("}", "}}") + "{}"
    made = [
        row.model_copy(update={"category": HOSTILE, "gold": HOSTILE, "question": HOSTILE})
        for row in rows(Setting(text=text))
    ]
    write_report(write_run(tmp_path, info(Setting()), made))
    page = _page(tmp_path)
    elements = Elements(page)
    assert not elements.open
    assert elements.tags.count("script") == 1
    assert not {"onerror", "onload", "src", "href"} & elements.attributes
    assert "img" not in elements.tags
    assert "<script>alert(1)</script>]]>" in elements.text
    assert "<U+0000><U+001B>[2J<U+202E>" in elements.text
    assert not set("\x00\x1b\u202e") & set(page + (tmp_path / "report.md").read_text())
    assert "{{ 7 * 7 }}" in elements.text


def test_half_a_surrogate_pair_does_not_stop_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path, Setting(text="half {}"))
    samples = run / SAMPLES_FILE
    samples.write_text(samples.read_text().replace("half", "\\ud83d"))
    write_report(run)
    assert "\ufffd 0" in _page(run)


def test_names_may_be_hostile_and_long(tmp_path: Path) -> None:
    name = "<b>&\"'" + "n" * 5000
    head = info(Setting()).model_dump_json().replace("pool/auto", json.dumps(name)[1:-1])
    run = make_run(tmp_path)
    (run / RUN_FILE).write_text(head)
    samples = run / SAMPLES_FILE
    samples.write_text(samples.read_text().replace("pool/auto", json.dumps(name)[1:-1]))
    write_report(run)
    page = _page(run)
    assert "b" not in Elements(page).tags
    assert "n" * 61 not in page
    for picture in _pictures(page):
        ElementTree.fromstring(picture)  # noqa: S314 - our own


def test_a_page_stays_small_whatever_the_answers_are(tmp_path: Path) -> None:
    """Every character of these answers is eight or more bytes of HTML."""
    setting = Setting(questions=70, text="\u202e'" * 4000 + "{}")
    write_report(make_run(tmp_path, setting))
    page = _page(tmp_path)
    assert len(page.encode()) < CARD_BYTES + 500_000
    assert "more are left out, so that this page stays small" in page


def test_thousands_of_categories_do_not_make_a_page_large(tmp_path: Path) -> None:
    made = [
        row.model_copy(update={"category": f"category {row.sample}"})
        for row in rows(Setting(questions=400))
    ]
    found = write_report(write_run(tmp_path, info(Setting()), made), samples=0)
    page = _page(tmp_path)
    assert len(found.report.overall.categories) == 400
    assert len(page) < 300_000
    assert "340 smaller categories left out." in page


@pytest.mark.parametrize("finished", [True, False])
def test_an_empty_run_has_a_report(tmp_path: Path, finished: bool) -> None:
    write_report(write_run(tmp_path, info(Setting(), finished=finished), []))
    assert "There is nothing to count." in (tmp_path / "report.md").read_text()
    assert ("not finished" in _page(tmp_path)) != finished
    assert not Elements(_page(tmp_path)).open


def test_one_question_and_one_subject_are_enough(tmp_path: Path) -> None:
    made = [row for row in rows(Setting(questions=1)) if row.subject == "pool/auto"]
    write_report(write_run(tmp_path, info(Setting()), made))
    assert not Elements(_page(tmp_path)).open


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(CoterieError, match="taken: cannot be written"):
        write(tmp_path / "taken", "text")
    assert os.listdir(tmp_path) == ["taken"]
    with pytest.raises(CoterieError, match="No such file"):
        write(tmp_path / "nowhere" / "file", "text")
