"""Differences between two runs with their intervals, around zero."""

from collections.abc import Sequence

from markupsafe import Markup

from evals.report import words
from evals.report.compare.comparing import Change
from evals.report.pictures.svg import Scale, element, line, picture, text, ticks
from evals.report.sections import Picture

WIDTH, ROW, TOP, BOTTOM = 460, 38, 8, 30
MOST_ROWS = 40


def differences(changes: Sequence[Change]) -> Picture:
    """Draw subjects in their order."""
    shown = list(changes[:MOST_ROWS])
    reach = max(0.02, *(max(-one.difference.low, one.difference.high) for one in shown)) * 1.08
    scale = Scale(-reach, reach, 10, WIDTH - 52)
    height = TOP + ROW * len(shown) + BOTTOM
    parts = [_grid(scale, height)]
    parts += [_row(scale, one, TOP + ROW * number) for number, one in enumerate(shown)]
    caption = "B minus A in percentage points, with 95 % intervals; filled: sure of a difference."
    if len(changes) > len(shown):
        caption += f" {len(changes) - len(shown)} subjects are left out."
    return Picture(picture(WIDTH, height, "Differences of every subject", parts), caption)


def _grid(scale: Scale, height: float) -> Markup:
    parts = []
    for value in ticks(scale.low, scale.high):
        x = scale.at(value)
        parts.append(line(x, TOP, x, height - BOTTOM + 4, "mark" if value == 0 else "grid"))
        parts.append(text(x, height - 10, f"{100 * value:+g}", class_="quiet mid"))
    return Markup("").join(parts)


def _row(scale: Scale, one: Change, top: float) -> Markup:
    found, y = one.difference, top + 26
    x = scale.at(found.mean)
    said = f"{words.name(one.subject)}: {words.difference(found, marked=False)} points"
    return element(
        "g",
        text(scale.start, top + 14, words.name(one.subject, 40), class_="halo")
        + text(WIDTH - 4, top + 14, words.points(found.mean), class_="end strong")
        + line(scale.at(found.low), y, scale.at(found.high), y, "whisker")
        + element("circle", cx=x, cy=y, r=4.5, class_="dot full" if found.beyond_zero else "dot")
        + element("title", said),
    )
