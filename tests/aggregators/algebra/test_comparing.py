"""Equal expressions are found fast, and none holds the others up."""

import time
from pathlib import Path

import pytest

from aggregators import equality
from aggregators.algebra import comparing
from aggregators.algebra.children import Children, Silent
from aggregators.algebra.comparing import equal


@pytest.mark.parametrize(
    ("wanted", "value", "same"),
    [
        (r"\frac{1}{2}", "0.5", True),
        ("x+1", "1 + x", True),
        ("x+1", "x-1", False),
        (r"2\sqrt{2}", r"\sqrt{8}", True),
        ("12", "12", True),
        ("12", "13", False),
        ("0.5", "1/2", True),
        ("0.5", "0.7", False),
        (r"10\%", "10", True),
        (r"30^\circ", "30", True),
        (r"\text{(E)}", r"\text{E}", True),
        (r"(1,2)", "(2,1)", False),
        ("((((", "))))", False),
    ],
)
def test_expressions(wanted: str, value: str, same: bool) -> None:
    assert equal(wanted, value) is same


@pytest.mark.parametrize(
    ("text", "answer", "same"),
    [
        ("Answer: 6\u221a2", "6", False),
        ("Answer: 6\u221a2", r"6\sqrt{2}", True),
        ("Answer: 6 sqrt(2)", r"6\sqrt{2}", True),
        ("Answer: $\\frac{11}{2}$\n\nAnswer: $\\frac{11}{2", r"\frac{11}{2}", True),
        ("### Answer:\nThe minimum of $a^4$ given that $ab = 5$ is $50$.", "50", True),
        ("**Answer:**\n31", "31", True),
        ("Answer: 2000 calories", "2000", True),
        ("Answer: 137$\\frac{1}{2}$", r"137\frac{1}{2}", True),
        ("Answer: $x$ equals 4.", "4", True),
        ("\\text{Answer: } \\frac{10}{11} $$", r"\frac{10}{11}", True),
        ("Therefore, the difference of 64 and 60 is 4.", "4", True),
        ("Answer: -\\frac{\\pi}{6} (without quotes)", r"-\frac{\pi}{6}", True),
        ("There is nothing.", "4", False),
    ],
)
def test_what_answers_conclude_with(text: str, answer: str, same: bool) -> None:
    assert equality.same("latex", text, answer) is same


def test_remarks_without_an_end_are_read_in_linear_time() -> None:
    started = time.perf_counter()
    equality.same("latex", "The answer is (" + "a" * 5_000 + "!", "4")
    assert time.perf_counter() - started < 2


@pytest.mark.slow
def test_a_pair_that_never_ends_is_different_and_the_next_one_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparing, "SECONDS", 1.0)
    started = time.perf_counter()
    assert not equal("9^{9^{9^{9}}}", "x+2")
    assert equal("x+2", "2 + x")
    assert time.perf_counter() - started < 30


def test_a_child_that_dies_is_replaced(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import os, sys\nprint('\"ready\"', flush=True)\n"
        "for line in sys.stdin:\n"
        "    if 'die' in line: os._exit(1)\n"
        "    if 'sleep' in line: import time; time.sleep(60)\n"
        "    print(line.strip(), flush=True)\n"
    )
    children = Children(script, at_once=1)
    try:
        assert children.ask([1], 20.0) == [1]
        with pytest.raises(Silent):
            children.ask("die", 20.0)
        with pytest.raises(Silent):
            children.ask("sleep", 0.3)
        assert children.ask({"a": "b"}, 20.0) == {"a": "b"}
    finally:
        children.close()


def test_a_script_that_never_is_ready_is_silent(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("raise SystemExit(3)")
    with pytest.raises(Silent):
        Children(script).ask(1, 1.0)
