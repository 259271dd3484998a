"""A training says how far it is, but not with every step."""

from experts.fused.training.progress import QUIET_S, Voice


def test_progress_is_a_line_now_and_then_and_what_matters_always_one() -> None:
    now = [0.0]
    lines: list[str] = []
    voice = Voice(lines.append, lambda: now[0])
    for step in range(1, 101):
        now[0] += 1
        voice.say(f"step {step} of 100", step, 100)
    voice.say("too soon")
    voice.tell("always")
    now[0] += QUIET_S
    voice.say("later")

    assert [line.split(" s  ")[1] for line in lines[:2]] == [
        "step 1 of 100, 1 %",
        "step 11 of 100, 11 %",
    ]
    assert lines[-2:] == ["  100.0 s  always", "  110.0 s  later"]
    assert len(lines) == 100 / QUIET_S + 2
