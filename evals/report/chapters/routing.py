"""Who was chosen, whether the pool is used, and whether the router knows what it says."""

from evals.report import words
from evals.report.chapters.results import MOST_CATEGORIES
from evals.report.pictures.reliability import diagram
from evals.report.report import Report
from evals.report.sections import Section, Table, heat_table
from evals.report.statistics.routing import Audit
from evals.reporting.numbers import counted

MOST_EXPERTS = 24
"""Experts in a table of choices, those with most answers; the JSON has all."""
MOST_DIAGRAMS = 12


def choices(report: Report) -> list[Section]:
    """Who answered which category, and the audit; nothing without compositions."""
    if not report.audits:
        return []
    return [
        Section(
            "Who was chosen",
            (
                "Whose answers a composition gave, in % of the category; an answer of several"
                " belongs to those that were really called, each by its calls.",
            ),
            tuple(
                f"{words.name(one.subject)}: {words.name(warning, 200)}."
                for one in report.audits
                for warning in one.warnings
            ),
            (_audit_table(report.audits), *map(_chosen_table, report.audits)),
        )
    ]


def confidence(report: Report) -> list[Section]:
    """Reliability of confidences; nothing where nobody said any."""
    if not report.reliability:
        return []
    rows = tuple(
        (
            words.name(one.subject),
            one.source,
            f"{one.count:,}",
            words.percent(one.error),
            f"{one.brier:.3f}",
        )
        for one in report.reliability
    )
    return [
        Section(
            "Confidence",
            (
                "Of the answers that were said to be right with 70 %, 70 % should be. A point under"
                " the diagonal is a prediction that promised too much.",
            ),
            tables=(Table("", ("subject", "what", "count", "error %", "Brier"), rows,
                          "error: the expected calibration error, in ten equal bins."),),
            pictures=tuple(map(diagram, report.reliability[:MOST_DIAGRAMS])),
        )
    ]  # fmt: skip


def _audit_table(audits: tuple[Audit, ...]) -> Table:
    rows = tuple(
        (
            words.name(one.subject),
            f"{one.answers:,}",
            f"{one.effective:.1f} of {len(one.shares)}",
            f"{one.entropy_bits:.2f}",
            _shares(one),
            f"{one.fallbacks:,}",
        )
        for one in audits
    )
    columns = ("composition", "answers", "effective experts", "entropy, bits", "most chosen",
               "fallbacks")  # fmt: skip
    return Table("Audit", columns, rows, "effective experts: how many equal shares would be as"
                 " spread; fallbacks: answers after the guard's alarm.")  # fmt: skip


def _shares(one: Audit) -> str:
    order = sorted(one.shares, key=lambda expert: -one.shares[expert])[:3]
    return ", ".join(
        f"{words.name(e, 24)} {100 * one.shares[e]:.0f} %" for e in order if one.shares[e]
    )


def _chosen_table(one: Audit) -> Table:
    experts = sorted(one.shares, key=lambda expert: -one.shares[expert])[:MOST_EXPERTS]
    sizes = {category: sum(own.values()) for category, own in one.chosen.items()}
    largest = sorted(sizes, key=lambda category: -sizes[category])[:MOST_CATEGORIES]
    shown = [category for category in one.chosen if category in largest]
    left = len(one.shares) - len(experts)
    return heat_table(
        words.name(one.subject),
        [f"{words.name(c, 40)} ({sizes[c]:,.0f})" for c in shown],
        ["category (answers)", *(words.name(e, 30) for e in experts)],
        [[one.chosen[c].get(e, 0.0) / sizes[c] for e in experts] for c in shown],
        f"{counted(left, 'expert')} with fewer answers left out." * (left > 0),
    )
