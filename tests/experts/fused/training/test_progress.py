"""Lines are neither too many nor too few."""

from __future__ import annotations

from experts.fused.training.progress import QUIET_S, Voice


def test_silence_is_broken() -> None:
    now = [0.0]
    lines: list[str] = []
    voice = Voice(lines.append, lambda: now[0])
    voice.say("first")
    voice.say("too soon")
    now[0] = QUIET_S + 1
    voice.say("later")
    voice.tell("always")
    assert [line.split("s  ")[1] for line in lines] == ["first", "later", "always"]
    lines.clear()
    now[0] += QUIET_S
    with voice:
        for _ in range(100):
            if lines:
                break
            voice._over.wait(0.05)
    assert lines[0].endswith("... always")
    assert QUIET_S < 2
