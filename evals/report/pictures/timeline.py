"""The loads of a run over its time: a row for each expert, a bar for each load."""

from collections.abc import Sequence

from markupsafe import Markup

from evals.report import words
from evals.report.pictures.svg import CHAR, Scale, element, line, picture, text, ticks
from evals.report.sections import Picture
from evals.runs.record import LoadEvent

WIDTH, ROW, TOP, BOTTOM = 500, 24, 30, 34
SLOT_COLOURS = 6
MOST_ROWS = 40
MOST_BARS = 4000
NARROWEST = 3.0
"""Shortest bar, or a short load could not be seen."""


def timeline(loads: Sequence[LoadEvent], seconds: float) -> Picture:
    """Draw at least one load; `seconds` is how long the run took."""
    shown = sorted(loads, key=lambda load: load.at_s)[:MOST_BARS]
    counts: dict[str, int] = {}
    for load in shown:
        counts[load.expert] = counts.get(load.expert, 0) + 1
    # The experts with most loads, in the order of their first one.
    kept = set(sorted(counts, key=lambda expert: -counts[expert])[:MOST_ROWS])
    experts = [expert for expert in counts if expert in kept]
    slots = {slot: k for k, slot in enumerate(sorted({load.slot for load in loads}))}
    end = max([seconds, *(load.at_s + load.seconds for load in loads)])
    names = {expert: words.name(expert, 20) for expert in experts}
    left = 12 + max(len(one) for one in names.values()) * CHAR
    scale = Scale(0, end or 1.0, left, WIDTH - 16)
    rows = {expert: TOP + ROW * number for number, expert in enumerate(experts)}
    height = TOP + ROW * len(experts) + BOTTOM
    parts = [_axis(scale, height), _key(list(slots))]
    for expert, top in rows.items():
        middle = top + ROW / 2
        parts.append(line(left, middle, WIDTH - 16, middle, "grid"))
        parts.append(text(left - 8, middle + 4, names[expert], class_="end"))
    parts += [_bar(scale, load, rows[load.expert], slots) for load in shown if load.expert in kept]
    caption = _caption(len(counts) - len(experts), len(loads) - len(shown), list(slots))
    return Picture(picture(WIDTH, height, "Loads over time", parts), caption)


def _axis(scale: Scale, height: float) -> Markup:
    unit, name = (60.0, "minutes") if scale.high > 300 else (1.0, "seconds")
    parts = []
    for value in ticks(0, scale.high / unit):
        x = scale.at(value * unit)
        parts.append(line(x, TOP, x, height - BOTTOM + 4, "grid"))
        parts.append(text(x, height - BOTTOM + 17, f"{value:g}", class_="quiet mid"))
    parts.append(
        text(scale.end, height - 3, f"{name} since the first call", class_="quiet end small")
    )
    return Markup("").join(parts)


def _key(slots: Sequence[str]) -> Markup:
    """Which colour is which slot, where each slot has one of its own."""
    if not 1 < len(slots) <= SLOT_COLOURS:
        return Markup("")
    parts, x = [], 4.0
    for number, slot in enumerate(slots):
        label = words.name(slot, 12)
        parts.append(element("rect", x=x, y=6, width=10, height=10, class_=f"slot{number}"))
        parts.append(text(x + 14, 15, label, class_="quiet small"))
        x += 14 + len(label) * CHAR + 12
    return Markup("").join(parts)


def _bar(scale: Scale, load: LoadEvent, top: float, slots: dict[str, int]) -> Markup:
    left = scale.at(load.at_s)
    width = max(NARROWEST, scale.at(load.at_s + load.seconds) - left)
    said = (
        f"{words.name(load.expert)} into {words.name(load.slot)} at"
        f" {words.duration(load.at_s)}, in {words.duration(load.seconds)}"
    )
    colour = f"slot{slots[load.slot] % SLOT_COLOURS}"
    return element(
        "rect", element("title", said), x=left, y=top + 5, width=width, height=ROW - 10, rx=1.5,
        class_=colour,
    )  # fmt: skip


def _caption(experts: int, bars: int, slots: Sequence[str]) -> str:
    said = "Every bar is a load; a bar's colour is its slot."
    if len(slots) == 1:
        said = f"Every bar is a load into {words.name(slots[0])}."
    if experts > 0:
        said += f" The {experts} experts with fewest loads are left out."
    if bars > 0:
        said += f" The last {bars:,} loads are left out."
    return said
