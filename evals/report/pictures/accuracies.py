"""Every subject's accuracy with its interval, between the best single expert and the oracle."""

from markupsafe import Markup

from evals.report import words
from evals.report.pictures.svg import CHAR, Scale, element, line, picture, text, ticks
from evals.report.report import Block, Line
from evals.report.sections import Picture

WIDTH, ROW, TOP, BOTTOM = 460, 38, 34, 30
MOST_ROWS = 40


def accuracies(block: Block) -> Picture:
    """Draw the best first."""
    lines = sorted(block.lines, key=lambda one: -one.accuracy.mean)[:MOST_ROWS]
    marks = _marks(block)
    scale = _scale(lines, [value for _, value in marks])
    height = TOP + ROW * len(lines) + BOTTOM
    parts = [_grid(scale, height)]
    parts += [_mark(scale, k, name, value, height) for k, (name, value) in enumerate(marks)]
    for number, one in enumerate(lines):
        parts.append(_row(scale, one, TOP + ROW * number))
    left_out = len(block.lines) - len(lines)
    caption = "Right answers in %, with 95 % intervals; filled: compositions."
    if left_out:
        caption += f" The {left_out} least accurate are left out."
    return Picture(picture(WIDTH, height, "Accuracy of every subject", parts), caption)


def _scale(lines: list[Line], marks: list[float]) -> Scale:
    low = min([one.accuracy.low for one in lines] + marks)
    high = max([one.accuracy.high for one in lines] + marks)
    room = max(0.02, 0.06 * (high - low))
    return Scale(max(0.0, low - room), min(1.0, high + room), 10, WIDTH - 52)


def _marks(block: Block) -> list[tuple[str, float]]:
    found = block.reference
    if found is None:
        return []
    marks = [("best single", found.in_sample)]
    if found.oracle is not None:
        marks.append(("oracle", found.oracle.mean))
    return marks


def _grid(scale: Scale, height: float) -> Markup:
    parts = []
    for value in ticks(scale.low, scale.high):
        x = scale.at(value)
        parts.append(line(x, TOP - 4, x, height - BOTTOM + 4, "grid"))
        parts.append(text(x, height - 10, f"{100 * value:g}", class_="quiet mid"))
    return Markup("").join(parts)


def _mark(scale: Scale, number: int, name: str, value: float, height: float) -> Markup:
    """A dashed line; the names stand in rows of their own, so that they cannot meet."""
    x, half, y = scale.at(value), len(name) * CHAR / 2, 14 * number + 12
    place = min(max(x, half), WIDTH - half)
    below = line(x, y + 4, x, height - BOTTOM + 4, "mark")
    return below + text(place, y, name, class_="quiet mid halo")


def _row(scale: Scale, one: Line, top: float) -> Markup:
    found, y = one.accuracy, top + 26
    kind = "dot full" if one.kind == "composition" else "dot"
    x = scale.at(found.mean)
    said = f"{words.name(one.subject)}: {words.share(found)} %"
    return element(
        "g",
        text(scale.start, top + 14, words.name(one.subject, 40), class_="halo")
        + text(WIDTH - 4, top + 14, words.percent(found.mean), class_="end strong")
        + line(scale.at(found.low), y, scale.at(found.high), y, "whisker")
        + element("circle", cx=x, cy=y, r=4.5, class_=kind)
        + element("title", said),
    )
