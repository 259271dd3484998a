"""A document as Markdown that is readable in a terminal, too."""

import re
from collections.abc import Iterator, Sequence

from evals.report import words
from evals.report.sections import Card, Document, Section, Table

MOST_CARDS = 10
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def markdown(document: Document, most_cards: int = MOST_CARDS) -> str:
    """Headings, notes and tables; pictures are left out, and most of the cards."""
    return "\n".join(_lines(document, most_cards)).rstrip() + "\n"


def _lines(document: Document, most_cards: int) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    yield ""
    for paragraph in document.lead:
        yield escaped(paragraph)
        yield ""
    for notice in document.notices:
        yield f"> **Note:** {escaped(notice)}"
        yield ""
    for section in document.sections:
        yield from _section(section)
    if document.cards and most_cards:
        yield f"## {escaped(document.cards_title)}"
        yield ""
        if document.cards_note:
            yield escaped(document.cards_note)
            yield ""
        for card in document.cards[:most_cards]:
            yield from _card(card)


def escaped(text: str) -> str:
    """A text in which nothing is Markdown or HTML."""
    # Underscores inside words, and an asterisk by itself, mean nothing in GitHub's Markdown.
    whole = _SPECIAL.sub(r"\\\1", words.visible(text))
    return re.sub(r"(?<=\w)\\_(?=\w)", "_", whole).replace(" \\*", " *").replace("\n", " ")


def _section(section: Section) -> Iterator[str]:
    yield f"## {escaped(section.title)}"
    yield ""
    for note in section.notes:
        yield escaped(note)
        yield ""
    for warning in section.warnings:
        yield f"> **Warning:** {escaped(warning)}"
        yield ""
    for table in section.tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{escaped(table.title)}**"
        yield ""
    if table.rows:
        yield from _grid(table)
        yield ""
    if table.note:
        yield escaped(table.note)
        yield ""


def _grid(table: Table) -> Iterator[str]:
    rows = [[escaped(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    yield _row(rows[0], widths)
    yield "|".join(("", "-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:]), ""))
    for row in rows[1:]:
        yield _row(row, widths)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return f"| {' | '.join((first, *others))} |"


def _card(card: Card) -> Iterator[str]:
    yield f"### {escaped(card.title)}"
    yield ""
    yield escaped("; ".join((card.outcome, *card.tags)))
    yield ""
    for label, text in card.texts:
        yield f"{escaped(label)}:"
        yield ""
        # Indented text is code: nothing in it is read as Markdown.
        yield from (f"    {line}" for line in words.visible(text).splitlines() or [""])
        yield ""
