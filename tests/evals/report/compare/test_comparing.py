"""Two runs on their common questions."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import COMPOSITIONS, EXPERTS, Setting, info, rows, write_run

from evals.report.compare.comparing import Comparison, compare
from evals.report.reading import Run
from evals.runs.record import Row
from experts.errors import ConfigError

SETTING = Setting(questions=40)
LUCKY = Setting(questions=40, luck=1)


def _run(setting: Setting, change: Callable[[Row], Row | None] = lambda row: row) -> Run:
    made = tuple(new for row in rows(setting) if (new := change(row)) is not None)
    return Run(Path("run"), info(setting), made)


def _compared(change: Callable[[Row], Row | None]) -> Comparison:
    return compare(_run(SETTING), _run(SETTING, change))


def test_a_run_is_like_itself() -> None:
    found = _compared(lambda row: row)
    assert [one.subject for one in found.overall] == [*COMPOSITIONS, *EXPERTS]
    for one in found.overall:
        assert (one.difference.mean, one.lost, one.won, one.questions) == (0, 0, 0, 40)
        assert (one.difference.low, one.difference.high, one.same) == (0, 0, 40)
    assert (found.flips, found.notices) == ((), ())


def test_other_answers_with_the_same_scores_may_differ_elsewhere() -> None:
    found = _compared(lambda row: row.model_copy(update={"answer": row.answer + " "}))
    for one in found.overall:
        assert (one.difference.mean, one.same) == (0, 0)
        assert -0.15 < one.difference.low < 0 < one.difference.high < 0.15


def test_loads_are_compared_where_both_runs_have_asked_everything() -> None:
    def loaded(cached: int | None) -> Run:
        run = _run(SETTING)
        assert run.info.totals is not None
        totals = None if cached is None else run.info.totals.model_copy(update={"cached": cached})
        return Run(run.folder, run.info.model_copy(update={"totals": totals}), run.rows)

    for before, after, comparable in ((0, 0, True), (0, 3, False), (3, 0, False), (0, None, False)):
        found = compare(loaded(before), loaded(after))
        assert {one.comparable_loads for one in found.spent} == {comparable}


def test_differences_are_after_minus_before_and_flips_are_theirs() -> None:
    before, after = _run(SETTING), _run(LUCKY)
    found, back = compare(before, after), compare(after, before)
    for one, other in zip(found.overall, back.overall, strict=True):
        assert one.difference.mean == pytest.approx(one.after - one.before)
        assert one.difference.mean == pytest.approx(-other.difference.mean)
        assert (one.won, one.lost) == (other.lost, other.won)
        assert one.difference.mean == pytest.approx((one.won - one.lost) / 40)
    for flip in found.flips:
        assert (flip.before.score, flip.after.score) == ((1, 0) if flip.lost else (0, 1))
        assert flip.before.answer != flip.after.answer


def test_an_expert_that_got_better_is_sure_of_it() -> None:
    found = _compared(
        lambda row: row.model_copy(update={"score": 1.0}) if row.subject == "alpha" else row
    )
    sure = {one.subject for one in found.overall if one.difference.beyond_zero}
    assert sure == {"alpha"}


def test_only_common_questions_count_and_the_others_are_told() -> None:
    def change(row: Row) -> Row | None:
        number = int(row.sample.rpartition("-")[2])
        if number < 5:
            return None
        if number < 8:
            return row.model_copy(update={"question": "another text"})
        if number == 8:
            return row.model_copy(update={"gold": "another"})
        return row.model_copy(update={"sample": "new"}) if number == 9 else row

    found = _compared(change)
    assert {one.questions for one in found.overall} == {30}
    assert found.notices == (
        "sums: 6 questions only in A, 1 question only in B, 4 questions with another text or right"
        " answer; 30 are compared.",
    )


def test_other_digests_scorers_versions_and_draws_are_told() -> None:
    before = _run(SETTING)
    task = before.info.tasks[0]
    said = {}
    for key, value in (("digest", "e"), ("scorer", "number"), ("version", 2)):
        other = before.info.model_copy(
            update={"tasks": (task.model_copy(update={key: value}),), "samples": 3}
        )
        said[key] = compare(before, Run(Path("b"), other, before.rows)).notices
    assert all(n[0] == "A has 1 draws of each question, B 3." for n in said.values())
    assert said["digest"][1].startswith("sums: the digests differ")
    assert said["scorer"][1] == "sums: A was scored by text, B by number."
    assert said["version"][1] == "sums: A has version 1 of the task, B 2."


def test_subjects_and_tasks_of_one_run_only_are_told() -> None:
    both = Setting(questions=20, tasks=("sums", "words"))
    before, after = _run(both), _run(Setting(questions=20))
    kept = [one for one in after.info.subjects if one.name != "beta"]
    after = Run(
        after.folder,
        after.info.model_copy(update={"subjects": tuple(kept)}),
        tuple(row for row in after.rows if row.subject != "beta"),
    )
    found = compare(before, after)
    assert "Only A has beta." in found.notices
    assert "Only A has the tasks words." in found.notices
    assert {one.subject for one in found.overall} == {*COMPOSITIONS, "alpha", "gamma"}
    assert list(found.tasks) == ["sums"]


def test_every_task_counts_the_same_in_the_mean() -> None:
    both = Setting(questions=20, tasks=("x", "y"))

    def change(row: Row) -> Row | None:
        if row.task == "y" and int(row.sample.rpartition("-")[2]) >= 10:
            return None
        return row.model_copy(update={"score": 1.0 if row.task == "y" else 0.0})

    def worst(row: Row) -> Row:
        return row.model_copy(update={"score": 0.0})

    found = compare(_run(both, worst), _run(both, change))
    assert {one.difference.mean for one in found.overall} == {0.5}
    assert [changes[0].difference.mean for changes in found.tasks.values()] == [0.0, 1.0]
    assert {one.questions for one in found.overall} == {30}


def test_draws_are_averaged_and_a_flip_shows_a_draw_that_says_so() -> None:
    setting = Setting(questions=3, samples=4)

    def scored(first: float) -> Callable[[Row], Row]:
        return lambda row: row.model_copy(
            update={"score": first if row.draw < 3 else 1 - first, "answer": f"draw {row.draw}"}
        )

    found = compare(_run(setting, scored(0.0)), _run(setting, scored(1.0)))
    assert {(one.before, one.after, one.won) for one in found.overall} == {(0.25, 0.75, 3)}
    assert {(f.before.answer, f.after.answer) for f in found.flips} == {("draw 0", "draw 0")}
    back = compare(_run(setting, scored(0.0)), _run(setting, lambda row: scored(1.0)(row)))
    assert back.flips == found.flips


def test_costs_are_those_of_the_common_questions() -> None:
    found = _compared(
        lambda row: (
            row.model_copy(update={"price_usd": 2 * row.price_usd})
            if row.sample != "sums-0"
            else None
        )
    )
    for one in found.spent:
        assert one.before.answers == one.after.answers == 39
        assert one.after.price_usd == pytest.approx(2 * one.before.price_usd)


def test_runs_that_share_nothing_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, info(SETTING), [])
    empty = Run(tmp_path, info(SETTING), ())
    with pytest.raises(ConfigError, match="have no answers to compare") as caught:
        compare(_run(SETTING), empty)
    assert "a subject of the same name" in caught.value.hint


def test_what_is_odd_about_either_run_is_told() -> None:
    run = _run(SETTING)
    odd = Run(run.folder, run.info, run.rows, ("It is odd.",))
    assert compare(odd, odd).notices == ("A: It is odd.", "B: It is odd.")
