"""What `coterie expert add` prints: how routing changes, or why it does not."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from evals.fitting.expert_add import Change, print_changes
from evals.fitting.profile import Profile

SHARES = {"old": 1.0}


def printed(change: Change, profile: Profile) -> str:
    console = Console(file=io.StringIO(), width=120)
    print_changes(console, [change], "new", profile)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("after", "why", "said", "unsaid"),
    [
        (SHARES, "new is asked nothing.", "near: nothing changes: new is asked nothing.", "wrote"),
        ({"old": 0.5, "new": 0.5}, "", "new        0.0  50.0", "nothing"),
        ({"old": 0.5, "other": 0.5}, "new is no good.", "near: new is no good.", "changes:"),
    ],
)
def test_it_is_said_when_nothing_changes_and_why(
    after: dict[str, float], why: str, said: str, unsaid: str
) -> None:
    change = Change("near", SHARES, after, (0.5, 0.5), None, why)
    found = printed(change, Profile(Path("o.parquet"), 9, 3, 6, ()))
    assert said in found
    assert unsaid not in found


def test_it_is_said_when_there_was_nothing_to_ask_and_what_scores_zero() -> None:
    profile = Profile(Path("o.parquet"), 9, 0, 9, (), ("new scored 0 on all 9 questions.",))
    found = printed(Change("near", SHARES, SHARES, (0.5, 0.5), None), profile)
    assert "Warning: new scored 0 on all 9 questions." in found
    assert "new was asked nothing new: the table has its answers already." in found
