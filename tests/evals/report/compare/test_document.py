"""A comparison in words."""

from pathlib import Path

from made_runs import Setting, info, rows

from evals.report.compare.comparing import compare
from evals.report.compare.document import LOST, MOST_CARDS, WON, document
from evals.report.markdown import markdown
from evals.report.page.page import page
from evals.report.reading import Run


def _run(setting: Setting, finished: bool = True) -> Run:
    return Run(Path("run"), info(setting, finished=finished), tuple(rows(setting)))


def test_flips_are_bounded_with_losses_first_and_room_for_both() -> None:
    many = Setting(questions=400, known=0.5, unknown=0.5)
    found = compare(_run(many), _run(Setting(questions=400, known=0.5, unknown=0.5, luck=1)))
    assert len(found.flips) > 2 * MOST_CARDS
    whole = document(found, "one", "two")
    outcomes = [card.outcome for card in whole.cards]
    assert outcomes == [LOST] * (MOST_CARDS // 2) + [WON] * (MOST_CARDS // 2)
    assert whole.cards_note == f"{MOST_CARDS} of {len(found.flips):,} flips; --json has all."


def test_every_task_has_a_section_and_a_run_that_has_not_ended_no_totals() -> None:
    setting = Setting(questions=12, tasks=("x", "y"))
    whole = document(compare(_run(setting), _run(setting, finished=False)), "one", "two")
    assert [section.title for section in whole.sections] == [
        "All tasks, each counting the same", "x", "y", "Costs", "The whole runs",
    ]  # fmt: skip
    [totals] = whole.sections[-1].tables
    assert totals.rows[1] == ("B", *("-",) * 6)
    assert "| B   |" in markdown(whole)
    assert page(whole).count("<svg") == 3


def test_the_same_answers_of_the_cache_are_no_saving() -> None:
    asked, cached = _run(Setting()), _run(Setting())
    assert asked.info.totals is not None
    totals = asked.info.totals.model_copy(update={"cached": 0, "asked": 500})
    asked = Run(asked.folder, asked.info.model_copy(update={"totals": totals}), asked.rows)
    whole = document(compare(asked, cached), "one", "two")
    [differences] = whole.sections[0].tables
    assert {row[4] for row in differences.rows} == {"the same answers"}
    assert "both runs have the very same ones" in differences.note
    [costs] = whole.sections[1].tables
    assert {row[-1] for row in costs.rows} == {"-"}
    assert "B has 200 of 500 answers from the cache, for which it loaded nothing" in costs.note
    [both] = document(compare(asked, asked), "one", "two").sections[1].tables
    assert {row[-1] for row in both.rows} == {"4 to 4", "2 to 2", "1 to 1"}
    assert "cache" not in both.note
