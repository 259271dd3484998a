"""Which answers say the same, found by the real child process, which hostile ones cannot hold."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import time
from pathlib import Path

import pytest

from aggregators import equality
from aggregators.answers.extraction import Kind
from aggregators.equality import labels, passes

GRACE_S = 4.0  # Less than the processor time that the child has anyway.


def boxes(*values: str) -> list[str]:
    return [rf"So it is \boxed{{{value}}}." for value in values]


def ended(pid: int) -> bool:
    """Whether a process is gone, or goes in a moment; it is gone afterwards."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if select.select([watched], [], [], GRACE_S / 2)[0]:
            return True
        signal.pidfd_send_signal(watched, signal.SIGKILL)
        return False
    finally:
        os.close(watched)


async def test_equal_mathematics_is_labelled_as_its_first() -> None:
    found = await labels(
        "latex",
        boxes(r"\frac{1}{2}", "x+1", "0.5", "1 + x", r"\frac12", r"\sqrt{8}", r"2\sqrt{2}", "2/4"),
    )
    half, root = r"\frac{1}{2}", r"\sqrt{8}"
    assert found == [half, "x+1", half, "x+1", half, root, root, half]


@pytest.mark.parametrize(
    "values",
    [
        ("x+1", "x-1", "1-x", r"\frac{1}{2}", r"\frac{1}{3}", "3", r"\pi", "3.14159"),
        ("[0,1)", "(0,1)", "[0,1]", r"\infty", r"-\infty", r"\text{yes}", r"\text{no}"),
        ("((((", "))))", r"\foo", "^^", r"\frac{", "&", r"\begin{pmatrix}"),
    ],
    ids=["terms", "intervals", "garbage"],
)
async def test_unequal_mathematics_stays_unequal(values: tuple[str, ...]) -> None:
    readable = [value for value in values if value.count("{") == value.count("}")]
    found = await labels("latex", boxes(*readable))
    assert None not in found
    assert len(set(found)) == len(readable)


async def test_an_order_that_matters_still_matters_after_a_set() -> None:
    _, first, second = await labels("latex", boxes(r"\{1,2\}", "(1,2)", "(2,1)"))
    assert first != second


async def test_what_can_not_be_read_has_no_label() -> None:
    assert await labels("latex", ["", "who knows?", *boxes("3")]) == [None, None, "3"]


@pytest.mark.parametrize("kind", ["text", "number", "choice", "literal", "latex", "code"])
async def test_nothing_readable_has_no_label(kind: Kind) -> None:
    assert await labels(kind, []) == []
    assert await labels(kind, ["", " \n"]) == [None, None]


@pytest.mark.slow
async def test_mathematics_that_never_ends_is_compared_as_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(equality, "SECONDS", 3.0)
    started = time.perf_counter()
    hostile = "9^{9^{9^{9}}}"
    found = await labels("latex", boxes("x+1", hostile, "1+x", "x+1"))
    assert found == ["x+1", hostile, "1+x", "x+1"]
    assert time.perf_counter() - started < 3.0 + GRACE_S


async def test_plain_kinds_are_labelled_with_what_they_say() -> None:
    assert await labels("number", ["#### 7", "The answer is 7.0", "?"]) == ["7", "7", None]
    assert await labels("choice", ["(B)", "The answer is C."]) == ["B", "C"]


async def test_programs_without_tests_are_equal_but_for_layout_and_comments() -> None:
    found = await labels(
        "code",
        [
            "Sure:\n```python\ndef f(x):return x+1\n```",
            "def f(x):\n\n    # One more.\n    return x + 1",
            "def f(x): return 1+x",
            "not python",
        ],
    )
    assert found[0] == found[1] != found[2]
    assert found[3] == "not python"


async def test_only_programs_that_pass_most_tests_have_a_label() -> None:
    programs = ["def f(x): return x+1", "f = lambda x: 1+x", "def f(x): return 1", "", "oops("]
    found = await labels("code", programs, ["assert f(1) == 2", "assert f(0) == 1"])
    assert found == ["passes 2 of 2 tests"] * 2 + [None] * 3


async def test_where_no_program_passes_a_test_none_has_a_label() -> None:
    assert await labels("code", ["x = 1", "oops("], ["assert x == 2"]) == [None, None]


async def test_each_test_is_told_by_itself() -> None:
    tests = ["assert f(1) == 2", "assert f(1) == 3", "f()", "assert f(2) == 3"]
    assert await passes("def f(x): return x + 1", tests) == (True, False, False, True)


@pytest.mark.parametrize(
    "program",
    [
        "import os; os._exit(0)",
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "def f(: pass",
        "\0",
        "x = '\ud800'; print(x)",
        "input()",
        "x = 'x' * (3 << 30)",
        "open('large', 'wb').write(b'x' * (1 << 22))",
        "def f(): f()\nf()",
    ],
)
async def test_a_program_that_dies_passes_nothing(program: str) -> None:
    assert await passes(program, ["assert True", "pass"]) == (False, False)


@pytest.mark.parametrize(
    "program",
    [
        "print('[true]')",
        "import sys; sys.stdout.write('[true]' * 100_000)",
        "import sys; print('[true]', file=sys.__stdout__, flush=True)",
        "import os; os.write(1, b'[true]\\n')",
        "import subprocess; subprocess.run(['/bin/sh', '-c', 'echo [true]'])",
    ],
)
async def test_what_a_program_prints_is_no_result(program: str) -> None:
    assert await passes(program, ["assert False", "pass"]) == (False, True)


async def test_the_tests_before_a_death_count() -> None:
    tests = ["assert f() == 1", "import os; os._exit(0)", "assert f() == 1"]
    assert await passes("def f(): return 1", tests) == (True, False, False)


async def test_a_program_that_hangs_passes_nothing_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(equality, "SECONDS", 1.0)
    started = time.perf_counter()
    hanging = "while True:\n    pass"
    quick, *slow = await labels("code", ["x = 1", hanging, f"#\n{hanging}"], ["assert x == 1"])
    assert (quick, slow) == ("passes 1 of 1 tests", [None, None])
    assert time.perf_counter() - started < 2.0 + GRACE_S


async def test_a_program_leaves_no_files_and_sees_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COTERIE_SECRET", "s")
    before = set(Path.cwd().iterdir())
    program = "import os\nopen('mine', 'w').write('x')"
    assert await passes(program, ["assert 'COTERIE_SECRET' not in os.environ"]) == (True,)
    assert set(Path.cwd().iterdir()) == before


async def test_a_program_leaves_no_process_behind(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = (
        "import subprocess\nleft = subprocess.Popen(['/bin/sleep', '30'])\n"
        f"open({str(told)!r}, 'w').write(str(left.pid))"
    )
    assert await passes(program, ["pass"]) == (True,)
    assert ended(int(told.read_text()))


async def test_who_stops_waiting_stops_the_program(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    os.mkfifo(told)
    program = (
        f"import os\nwith open({str(told)!r}, 'w') as told: told.write(str(os.getpid()))\n"
        "while True: pass"
    )
    waiting = asyncio.create_task(passes(program, ["pass"]))
    pid = int(await asyncio.to_thread(told.read_text))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended(pid)


class Crowd:
    """Children that count how many of them run at once, and end when they are told to."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.go_on = asyncio.Event()
        self.came = asyncio.Semaphore(0)

    async def said(self, task: dict[str, object]) -> bytearray:
        self.running += 1
        self.most = max(self.most, self.running)
        self.came.release()
        await self.go_on.wait()
        self.running -= 1
        return bytearray(b"true")


@pytest.mark.parametrize("at_once", [1, 3])
async def test_children_of_all_callers_are_bounded_together(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    crowd = Crowd()
    monkeypatch.setattr(equality, "_said", crowd.said)
    equality.limit_children(at_once)
    try:
        programs = [f"x = {number}" for number in range(4)]
        calls = [labels("code", programs, ["assert x"]), passes("x = 1", ["pass"])]
        calls.append(labels("latex", boxes("1/2", "0.5")))
        together = asyncio.gather(*calls)
        for _ in range(at_once):
            await asyncio.wait_for(crowd.came.acquire(), GRACE_S)
        assert crowd.running == at_once
        crowd.go_on.set()
        await together
    finally:
        equality.limit_children(equality.AT_ONCE)
    assert crowd.most == at_once
