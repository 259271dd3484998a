"""The numbers of a report, beside hand counts."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import COMPOSITIONS, EXPERTS, Setting, info, make_run, rows, write_run

from evals.report.reading import Run, read_run
from evals.report.report import Line, Report, make_report
from evals.report.statistics.intervals import Interval
from evals.runs.record import Row


def _report(folder: Path, setting: Setting) -> Report:
    return make_report(read_run(make_run(folder, setting)))


def _line(report: Report, subject: str) -> Line:
    return next(line for line in report.overall.lines if line.subject == subject)


def _scores(found: list[Row], subject: str) -> list[float]:
    return [row.score for row in found if row.subject == subject]


def test_accuracies_are_means_and_the_oracle_takes_the_best(tmp_path: Path) -> None:
    setting = Setting(questions=90)
    made, report = rows(setting), _report(tmp_path, setting)
    table = np.array([_scores(made, expert) for expert in EXPERTS])
    for subject in (*COMPOSITIONS, *EXPERTS):
        line = _line(report, subject)
        assert line.accuracy.mean == pytest.approx(np.mean(_scores(made, subject)))
        assert line.regret is not None
        assert line.regret.mean == pytest.approx(table.max(axis=0).mean() - line.accuracy.mean)
    assert report.overall.reference is not None
    assert report.overall.reference.in_sample == pytest.approx(table.mean(axis=1).max())


def test_a_gain_is_over_the_best_after_the_fact_and_unbiased_over_the_cross_fitted(
    tmp_path: Path,
) -> None:
    report = _report(tmp_path, Setting(questions=300))
    router, reference = _line(report, "pool/auto"), report.overall.reference
    assert router.gain is not None
    assert reference is not None
    assert reference.cross_fitted is not None
    assert router.gain.mean == pytest.approx(router.accuracy.mean - reference.in_sample)
    expected = router.accuracy.mean - reference.cross_fitted
    assert router.unbiased_gain == pytest.approx(expected)
    assert reference.cross_fitted <= reference.in_sample
    assert router.gain.beyond_zero  # 0.9 where the best single expert has 0.57.


def test_a_regret_is_unknown_where_an_expert_failed(tmp_path: Path) -> None:
    made = rows(Setting())
    first = next(k for k, row in enumerate(made) if row.subject == "beta")
    made[first] = made[first].model_copy(update={"error": "broke", "score": 0.0})
    report = make_report(read_run(write_run(tmp_path, info(Setting()), made)))
    line = _line(report, "pool/auto")
    assert line.regret is not None
    assert (line.regret.questions, line.accuracy.questions) == (29, 30)
    assert report.notices == ("1 failed call, counted as wrong.",)


def test_all_tasks_count_the_same_and_who_lacks_one_is_not_in_the_mean(tmp_path: Path) -> None:
    setting = Setting(tasks=("x", "y"))
    made = [row for row in rows(setting) if (row.subject, row.task) != ("gamma", "y")]
    report = make_report(read_run(write_run(tmp_path, info(setting), made)))
    assert [block.task for block in (report.overall, *report.tasks)] == ["", "x", "y"]
    assert [line.subject for line in report.overall.lines] == [*COMPOSITIONS, "alpha", "beta"]
    by_task = [
        line.accuracy.mean for block in report.tasks for line in block.lines
        if line.subject == "pool/auto"
    ]  # fmt: skip
    assert _line(report, "pool/auto").accuracy.mean == pytest.approx(np.mean(by_task))


def test_one_task_is_all_tasks(tmp_path: Path) -> None:
    report = _report(tmp_path, Setting())
    assert report.tasks == (report.overall,)


def test_draws_are_counted_within_their_task(tmp_path: Path) -> None:
    line = _line(_report(tmp_path, Setting(samples=4)), "alpha")
    assert line.draws is not None
    assert list(line.draws.pass_at) == [1, 2, 4]
    assert line.draws.pass_at[1].mean == pytest.approx(line.accuracy.mean)
    assert line.accuracy.questions == 30


def test_the_same_run_gives_the_same_numbers(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path))
    assert make_report(run) == make_report(run)


def test_experts_that_were_not_asked_alone_are_told(tmp_path: Path) -> None:
    head = info(Setting())
    few = head.model_copy(update={"subjects": head.subjects[:4]})
    made = [row for row in rows(Setting()) if row.subject != "gamma"]
    [notice] = make_report(read_run(write_run(tmp_path, few, made))).notices
    assert notice.endswith("of the 2 experts that were asked alone, among 3 of the pool.")


def test_one_expert_is_not_counted_as_many(tmp_path: Path) -> None:
    head = info(Setting())
    few = head.model_copy(update={"subjects": head.subjects[:3]})
    made = [row for row in rows(Setting()) if row.subject not in ("beta", "gamma")]
    [notice] = make_report(read_run(write_run(tmp_path, few, made))).notices
    assert notice.endswith("of the only expert that was asked alone, among 3 of the pool.")


def test_without_experts_there_is_nothing_to_gain_over(tmp_path: Path) -> None:
    head = info(Setting())
    alone = head.model_copy(update={"subjects": head.subjects[:2]})
    made = [row for row in rows(Setting()) if row.subject in COMPOSITIONS]
    report = make_report(read_run(write_run(tmp_path, alone, made)))
    assert report.overall.reference is None
    assert all(line.gain is None and line.regret is None for line in report.overall.lines)


def test_nothing_asked_is_an_empty_report(tmp_path: Path) -> None:
    report = make_report(Run(tmp_path, info(Setting()), ()))
    assert (report.overall.lines, report.tasks, report.frontier) == ((), (), ())


def test_what_is_free_is_compared_by_its_tokens(tmp_path: Path) -> None:
    assert _report(tmp_path / "paid", Setting()).price_unit == "USD per 1,000 answers"
    free = [row.model_copy(update={"price_usd": 0.0}) for row in rows(Setting())]
    report = make_report(read_run(write_run(tmp_path / "free", info(Setting()), free)))
    assert report.price_unit == "tokens per answer"
    assert {point.subject: point.price for point in report.frontier}["pool/council"] == 90


def test_a_corrected_accuracy_stands_beside_its_score(tmp_path: Path) -> None:
    corrected = Interval(0.5, 0.4, 0.6, 30)
    report = make_report(read_run(make_run(tmp_path)), {("alpha", "sums"): corrected})
    assert _line(report, "alpha").corrected == corrected
    assert _line(report, "beta").corrected is None
