"""Makes the HTML page of a document."""

from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from evals.report.sections import Card, Document

CARD_BYTES = 2_500_000
"""What all cards of a page take at most, written as HTML; later ones are left out."""


def page(document: Document) -> str:
    """One file that asks nothing of anybody; texts of models are never markup.

    Its content security policy refuses every request, and every script but its own.
    """
    style, script = _part("style.css"), _part("filter.js")
    shown = _bounded(document.cards)
    return _template().render(
        document=document,
        cards=shown,
        left_out=len(document.cards) - len(shown),
        subjects=_different(card.subject for card in shown),
        categories=_different(card.category for card in shown),
        outcomes=_different(card.outcome for card in shown),
        style=Markup(style),  # noqa: S704 - a file of ours
        script=Markup(script),  # noqa: S704 - a file of ours
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
    )


def _bounded(cards: tuple[Card, ...]) -> tuple[Card, ...]:
    left = CARD_BYTES
    for number, card in enumerate(cards):
        texts = (card.title, *card.tags, *(part for pair in card.texts for part in pair))
        left -= 600 + sum(40 + len(escape(text).encode()) for text in texts)
        if left < 0:
            return cards[:number]
    return cards


def _different(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_part("page.html.j2"))


@cache
def _part(name: str) -> str:
    return files("evals.report.page").joinpath(name).read_text(encoding="utf-8")
