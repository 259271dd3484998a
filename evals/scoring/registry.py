"""Every scorer by its name, with its options: the one table that tasks choose from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from evals.scoring.base import Options, Rule, Scorer
from evals.scoring.concluding import ConcludingOptions, concludes
from evals.scoring.instructions.scorer import InstructionsOptions, instructions
from evals.scoring.judge import JudgeOptions, judge
from evals.scoring.label import LabelOptions, label
from evals.scoring.programs.scorer import CodeOptions, code
from evals.scoring.regex import RegexOptions, regex
from evals.scoring.text import NoOptions, contains, exact, f1
from experts.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ScorerType:
    """What a name stands for."""

    options: type[Options]
    make: Callable[[Any], Rule]
    waits: bool = False


JUDGE = "judge"
"""The one scorer that needs calls: an expert grades."""

SCORERS: dict[str, ScorerType] = {
    "exact": ScorerType(NoOptions, exact),
    "contains": ScorerType(NoOptions, contains),
    "number": ScorerType(ConcludingOptions, concludes("number")),
    "choice": ScorerType(ConcludingOptions, concludes("choice")),
    "literal": ScorerType(ConcludingOptions, concludes("literal")),
    "latex": ScorerType(ConcludingOptions, concludes("latex"), waits=True),
    "json": ScorerType(ConcludingOptions, concludes("json")),
    "text": ScorerType(ConcludingOptions, concludes("text")),
    "label": ScorerType(LabelOptions, label),
    "regex": ScorerType(RegexOptions, regex, waits=True),
    "f1": ScorerType(NoOptions, f1),
    "code": ScorerType(CodeOptions, code, waits=True),
    "instructions": ScorerType(InstructionsOptions, instructions),
    JUDGE: ScorerType(JudgeOptions, judge),
}


def make_scorer(name: str, options: Mapping[str, Any] | None = None) -> Scorer:
    """The scorer of a name. Raises ConfigError for one that is unknown, and for wrong options."""
    if name not in SCORERS:
        raise ConfigError(
            f"No scorer is called {name}.", hint=f"Known scorers: {', '.join(SCORERS)}."
        )
    known = SCORERS[name]
    try:
        chosen = known.options.model_validate(options or {})
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, one['loc'])) or 'options'}: {one['msg']}" for one in error.errors()
        )
        raise ConfigError(
            f"The options of the scorer {name} are wrong.", problems=tuple(problems)
        ) from error
    return Scorer(name, chosen, known.make(chosen), known.waits)
