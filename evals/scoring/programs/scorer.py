"""The scorer `code`: whether the program in an answer passes the question's tests."""

from collections.abc import Mapping
from typing import Any

from evals.scoring.base import Answered, Options, Rule
from evals.scoring.programs.extraction import program_of
from evals.scoring.programs.sandbox import Limits, run_tests

LONGEST = 100_000


class CodeOptions(Options):
    """What a program may take."""

    limits: Limits = Limits()


def code(options: CodeOptions) -> Rule:
    """1 when all tests hold after the program in the answer.

    Of the question's fields: `tests`, a program or a list of statements, which raise where they
    fail; `prefix`, the program that the answer may go on with; `entry_point`, the function that is
    asked for. Raises ValueError for a question without tests, ConfigError where programs cannot be
    confined.
    """

    def score(sample: Answered, text: str) -> float:
        tests = _tests(sample.fields)
        prefix, entry = (str(sample.fields.get(key) or "") for key in ("prefix", "entry_point"))
        program = program_of(text[:LONGEST], prefix, entry)
        return float(run_tests([program, tests], options.limits).passed)

    return score


def _tests(fields: Mapping[str, Any]) -> str:
    tests = fields.get("tests")
    joined = tests if isinstance(tests, str) else "\n".join(map(str, tests or ()))
    if not joined.strip():
        raise ValueError("the question has no `tests` among its fields")
    return joined
