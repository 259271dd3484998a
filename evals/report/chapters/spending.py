"""What it cost: quality against price, and the loads of the slots."""

from evals.report import words
from evals.report.pictures.frontier import scatter
from evals.report.pictures.timeline import timeline
from evals.report.report import Report
from evals.report.sections import Section, Table
from evals.reporting.numbers import counted, number


def price(report: Report) -> list[Section]:
    """Quality against price; nothing where there is only one subject."""
    if len(report.frontier) < 2:
        return []
    rows = tuple(
        (
            words.name(point.subject),
            number(point.price),
            words.percent(point.quality),
            "yes" if point.best else "",
        )
        for point in report.frontier
    )
    return [
        Section(
            "Quality against price",
            ("On the frontier: nobody else is better for the same price or less.",),
            tables=(Table("", ("subject", report.price_unit, "right %", "frontier"), rows),),
            pictures=(scatter(report.frontier, report.price_unit),),
        )
    ]


def loads(report: Report) -> list[Section]:
    """Which expert was loaded when, and how long that took; nothing without loads."""
    totals = report.run.totals
    if totals is None or not totals.loads:
        return []
    by_expert: dict[str, list[float]] = {}
    for load in totals.loads:
        by_expert.setdefault(load.expert, []).append(load.seconds)
    rows = tuple(
        (words.name(expert), str(len(own)), f"{sum(own):.1f}", f"{max(own):.1f}")
        for expert, own in sorted(by_expert.items(), key=lambda item: -len(item[1]))[:60]
    )
    spent = sum(load.seconds for load in totals.loads)
    slots = len({load.slot for load in totals.loads})
    share = spent / (totals.seconds * slots) if totals.seconds else 0.0
    return [
        Section(
            "Loads",
            (
                f"{counted(len(totals.loads), 'load')} of"
                f" {counted(len(by_expert), 'expert')} into"
                f" {counted(slots, 'slot')}, {words.duration(spent)} together:"
                f" {100 * share:.1f} % of the slots' time.",
            ),
            tables=(Table("", ("expert", "loads", "seconds", "longest, s"), rows),),
            pictures=(timeline(totals.loads, totals.seconds),),
        )
    ]
