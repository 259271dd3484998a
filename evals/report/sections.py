"""What a report is made of, whatever it is written as: sections, tables, pictures, cards."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain text under their columns; the first column holds names.

    `heat` colours cells: a share in 0..1 for each, None for no colour.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    heat: tuple[tuple[float | None, ...], ...] = ()

    def heat_of(self, row: int, column: int) -> float | None:
        """How much of the colour a cell has."""
        return self.heat[row][column] if self.heat else None


@dataclass(frozen=True, slots=True)
class Picture:
    """Inline SVG with a sentence that says what it shows."""

    svg: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it; `folded` ones are closed on the page."""

    title: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One answer to look at: short `tags`, then texts under their labels."""

    title: str
    outcome: str
    subject: str
    category: str
    tags: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    lead: tuple[str, ...]
    notices: tuple[str, ...]
    sections: tuple[Section, ...]
    cards: tuple[Card, ...] = ()
    cards_title: str = ""
    cards_note: str = ""


def heat_table(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    shares: Sequence[Sequence[float | None]],
    note: str = "",
) -> Table:
    """A table of shares, each coloured by itself."""
    cells = tuple(
        (name, *("" if value is None else f"{100 * value:.0f}" for value in values))
        for name, values in zip(rows, shares, strict=True)
    )
    return Table(
        title, tuple(columns), cells, note, heat=tuple((None, *values) for values in shares)
    )
