"""What is said about a fitted setting, and when the command fails."""

import io
from pathlib import Path

from rich.console import Console

from evals.fitting.fuse.self_contrast import Fit, Scores, decide
from evals.fitting.fuse.self_contrast_report import print_fit
from evals.fitting.fuse.self_contrast_settings import GREEDY, Setting

CONTRAST = Setting(0.5, 2)
TASKS = ("easy", "hard")


def _fit(greedy: Scores, contrast: Scores, test: Scores) -> Fit:
    probe = {GREEDY: greedy, CONTRAST: contrast}
    own, together = decide(TASKS, probe)
    return Fit("duo", TASKS, probe, {GREEDY: greedy, CONTRAST: test}, own, together)


def _printed(fit: Fit, out: Path | None = None) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=120)
    code = print_fit(console, fit, out)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


EASY, HARD, SOLVED = (1.0,) * 8, (0.0,) * 8, (1.0,) * 8


def test_where_contrast_does_not_help_beta_is_0(tmp_path: Path) -> None:
    scores = {"easy": EASY, "hard": HARD}
    code, text = _printed(_fit(scores, scores, scores), tmp_path)

    assert code == 0
    assert text.count("contrast does not help, beta 0") == 3
    assert "role `fitted`, the default, is greedy" in text
    assert text.isascii()


def test_a_task_that_contrast_helps_gets_it() -> None:
    fit = _fit(
        {"easy": EASY, "hard": HARD}, {"easy": EASY, "hard": SOLVED}, {"easy": EASY, "hard": SOLVED}
    )
    code, text = _printed(fit)

    assert code == 0
    assert fit.of_task["easy"].chosen == GREEDY
    assert fit.of_task["hard"].chosen == fit.together.chosen == CONTRAST
    assert "hard: beta-0.5-rank-2 100.0 %, greedy 0.0 % on the test split" in text


def test_below_greedy_on_the_test_split_is_a_miss() -> None:
    fit = _fit(
        {"easy": EASY, "hard": HARD}, {"easy": EASY, "hard": SOLVED}, {"easy": HARD, "hard": HARD}
    )
    code, text = _printed(fit)

    assert code == 1
    assert "MISS  together" in text
