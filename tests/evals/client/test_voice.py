"""A training speaks through the progress of the command that runs it."""

import io

from rich.console import Console

from evals.client.progress import EVERY_S, Progress
from evals.client.voice import ProgressVoice


def test_steps_are_progress_and_the_rest_are_lines() -> None:
    now = [0.0]
    out = io.StringIO()
    with Progress(Console(file=out, width=100), lambda: now[0]) as progress:
        voice = ProgressVoice(progress)
        voice.tell("going on after step 40")
        for step in range(41, 60):
            now[0] += EVERY_S / 4
            voice.say(f"mixed: step {step} of 80, loss {100 - step}", step, 80)
        voice.tell("wrote out")
    first, *between, last = out.getvalue().splitlines()

    assert first.endswith("going on after step 40")
    assert last.endswith("wrote out")
    assert 3 <= len(between) <= 5
    assert all("mixed: step " in line and " left" in line for line in between)
