"""The program that an answer gives, as HumanEval and MBPP ask for it and as chat models give it."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring.programs.extraction import program_of

PREFIX = 'import math\n\ndef area(r: float) -> float:\n    """Of a circle."""\n'
WHOLE = "def area(r):\n    return math.pi * r * r"


def _area(program: str) -> float:
    names: dict[str, object] = {}
    exec(program, names)
    return names["area"](1.0)  # type: ignore[operator]


@pytest.mark.parametrize(
    "answer",
    [
        "    return math.pi * r * r\n",
        "\n    return math.pi * r * r\n\ndef main():\n    raise ValueError\n",
        "    return math.pi * r * r\n# Test\nassert False\n",
        "    x = r * r\n\n    return math.pi * x\n\n\nprint(area('x'))",
        "return math.pi * r * r",
        "```python\nreturn math.pi * r * r\n```",
        f"Here it is:\n```python\n{WHOLE}\n```\nIt runs in constant time.",
        f"```python\nimport math\n{WHOLE}\n```\nUse:\n```python\narea(2)\nx = 1\n```",
        f"1. So:\n   ```py\n   {WHOLE.replace(chr(10), chr(10) + '   ')}\n   ```",
        WHOLE,
        f"[BEGIN]\n{WHOLE}\n[DONE]",
        f"```\n{WHOLE}",
    ],
)
def test_the_program_is_found(answer: str) -> None:
    assert _area(program_of(answer, PREFIX, "area")) == pytest.approx(3.14159, abs=1e-4)
    assert _area(program_of(answer, PREFIX)) == pytest.approx(3.14159, abs=1e-4)


@pytest.mark.parametrize(
    "answer",
    ["def f():\n    return 1", "Sure!\n\ndef f():\n    return 1\n\nThat is it.", "f = lambda: 1"],
)
def test_without_a_prefix_the_answer_is_the_program(answer: str) -> None:
    names: dict[str, object] = {}
    exec(program_of(answer), names)
    assert names["f"]() == 1  # type: ignore[operator]


@given(st.text(), st.sampled_from(["", PREFIX, "def f(x):"]))
def test_every_text_gives_some_program(text: str, prefix: str) -> None:
    assert isinstance(program_of(text, prefix), str)


def test_a_head_without_a_body_is_continued() -> None:
    assert ast.parse(program_of("```python\nreturn x\n```", "def f(x):"))
    assert ast.parse(program_of("def f(x):\n    return x", "def f(x):"))
