"""What fitting self-contrast found: a table, what was chosen, and whether it is worth it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console

from evals.client.worker.answers import Scores
from evals.fitting.fuse.self_contrast import Fit
from evals.fitting.fuse.self_contrast_settings import GREEDY, Choice, Setting, distinct
from evals.reporting.intervals import Accuracy, accuracy
from evals.reporting.table import interval, print_table, say, tenths
from evals.reporting.verdicts import Verdict, print_verdicts

TOGETHER = "together"


def right(scores: Mapping[Setting, Scores], setting: Setting, tasks: tuple[str, ...]) -> Accuracy:
    """The accuracy of a setting on the questions of some tasks."""
    values = [value for task in tasks for value in scores[setting][task]]
    return accuracy(sum(values), len(values))


def verdicts(fit: Fit) -> list[Verdict]:
    """Of each task and of all together: whether the chosen setting is not below greedy."""
    found = []
    for name, tasks, choice in _scopes(fit):
        chosen = right(fit.test, choice.chosen, tasks)
        greedy = right(fit.test, GREEDY, tasks)
        found.append(
            Verdict(
                chosen.mean >= greedy.mean,
                f"{name}: {choice.chosen.name} {tenths(chosen.mean)} %, greedy"
                f" {tenths(greedy.mean)} % on the test split (target: not below greedy)",
            )
        )
    return found


def reason(choice: Choice) -> str:
    """Why the probes chose so."""
    against = (
        f"{choice.best.name}, the best contrast, beats greedy on {choice.wins} probes and loses on"
        f" {choice.losses} (chance {choice.chance:.2f})"
    )
    if choice.chosen == GREEDY:
        return f"{against}: contrast does not help, beta 0"
    return f"{against}: chosen"


def print_fit(console: Console, fit: Fit, out: Path | None) -> int:
    """Print the tables and the verdicts; returns the exit code."""
    say(console)
    say(console, f"Self-contrast of {fit.expert}: right answers in percent on the probe split,")
    say(console, f"of {', '.join(f'{len(fit.probe[GREEDY][task])} {task}' for task in fit.tasks)}.")
    print_table(
        console,
        ["setting", *fit.tasks],
        [
            [setting.name, *(tenths(right(fit.probe, setting, (task,)).mean) for task in fit.tasks)]
            for setting in fit.probe
        ],
    )
    say(console)
    for name, _, choice in _scopes(fit):
        say(console, f"{name}: {reason(choice)}")
    say(console)
    print_table(
        console,
        ["test split", "setting", "questions", "right %", "95 % interval", ""],
        list(_rows(fit)),
    )
    say(console)
    code = print_verdicts(console, verdicts(fit))
    if out is not None:
        say(console, f"{out}: role `fitted`, the default, is {fit.together.chosen.name}")
    return code


def _scopes(fit: Fit) -> Iterator[tuple[str, tuple[str, ...], Choice]]:
    """(name, tasks, choice) of each task, and of all where there are several."""
    for task in fit.tasks:
        yield task, (task,), fit.of_task[task]
    if len(fit.tasks) > 1:
        yield TOGETHER, fit.tasks, fit.together


def _rows(fit: Fit) -> Iterator[list[str]]:
    for name, tasks, choice in _scopes(fit):
        for setting in distinct((GREEDY, choice.best)):
            value = right(fit.test, setting, tasks)
            mark = "fitted" if setting == choice.chosen else ""
            yield [
                name, setting.name, str(value.count), tenths(value.mean), interval(value), mark,
            ]  # fmt: skip
