"""A reliability diagram: how often predictions came true, over what they promised."""

from markupsafe import Markup

from evals.report import words
from evals.report.pictures.svg import Scale, element, line, picture, text
from evals.report.sections import Picture
from evals.report.statistics.calibration import BINS, Bin, Reliability
from evals.reporting.numbers import counted

WIDTH, SIDE, LEFT, TOP, BARS = 320, 250, 40, 10, 46
HEIGHT = TOP + SIDE + 34 + BARS + 22


def diagram(found: Reliability) -> Picture:
    """Points with 95 % intervals over a square, and how many predictions each bin has."""
    across = Scale(0, 1, LEFT, LEFT + SIDE)
    up = Scale(0, 1, TOP + SIDE, TOP)
    parts = [_axes(across, up), line(LEFT, TOP + SIDE, LEFT + SIDE, TOP, "mark")]
    most = max(one.count for one in found.bins)
    for one in found.bins:
        parts.append(_point(across, up, one))
        parts.append(_bar(across, one, most))
    what = f"{words.name(found.subject)}: {found.source}"
    caption = f"{what}, error {words.percent(found.error)} %, {found.count:,} predictions."
    return Picture(picture(WIDTH, HEIGHT, f"Reliability, {what}", parts), caption)


def _axes(across: Scale, up: Scale) -> Markup:
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = across.at(value), up.at(value)
        parts.append(line(LEFT, y, LEFT + SIDE, y, "grid"))
        parts.append(line(x, TOP, x, TOP + SIDE, "grid"))
        parts.append(text(LEFT - 6, y + 4, f"{100 * value:g}", class_="quiet end"))
        parts.append(text(x, TOP + SIDE + 17, f"{100 * value:g}", class_="quiet mid"))
    parts.append(text(LEFT + SIDE, TOP + SIDE + 31, "predicted, %", class_="quiet end small"))
    parts.append(text(LEFT + 5, TOP + 13, "right, %", class_="quiet small halo"))
    return Markup("").join(parts)


def _point(across: Scale, up: Scale, one: Bin) -> Markup:
    x = across.at(one.predicted)
    said = (
        f"{counted(one.count, 'prediction')} of {words.percent(one.predicted)} % on average:"
        f" {words.percent(one.right)} % right"
    )
    return element(
        "g",
        line(x, up.at(one.right_low), x, up.at(one.right_high), "whisker")
        + element("circle", cx=x, cy=up.at(one.right), r=4.5, class_="dot full")
        + element("title", said),
    )


def _bar(across: Scale, one: Bin, most: int) -> Markup:
    floor = HEIGHT - 4
    high = max(1.0, BARS * one.count / most)
    left, right = across.at(one.low), across.at(one.high)
    label = f"{one.count}" if one.count < 1000 else f"{one.count / 1000:.2g}k"
    if one.count >= 99_500:
        label = f"{one.count / 1000:.0f}k"
    return element(
        "rect", x=left + 1.5, y=floor - high, width=SIDE / BINS - 3, height=high, class_="bar"
    ) + text((left + right) / 2, floor - high - 4, label, class_="quiet tiny mid")
