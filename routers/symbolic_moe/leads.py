"""Who puts answers together best, by task: what a probe with right and wrong answers has shown."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from experts.errors import ConfigError

HINT = "`coterie profile --config FILE` writes a new one."


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    versions: dict[str, str]
    prompt: str
    tasks: dict[str, dict[str, tuple[NonNegativeInt, NonNegativeInt]]]


@dataclass(frozen=True, slots=True)
class Leads:
    """Counts of the probe with one right and two wrong answers (arXiv 2503.05641, section 3.3)."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the experts that were asked."""
    prompt: str = ""
    """Tells prompts apart: a changed one makes the counts worthless."""
    tasks: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    """Task -> expert -> (right answers, answers)."""

    @classmethod
    def read(cls, path: Path) -> "Leads":
        """Raises ConfigError, with the path and what to do."""
        try:
            found = _File.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: nobody was probed yet.", hint=HINT) from error
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            words = " ".join(str(error).split())
            raise ConfigError(f"{path} holds no probe of leads ({words}).", hint=HINT) from error
        return cls(found.versions, found.prompt, found.tasks)

    def write(self, path: Path) -> None:
        """Replace the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)

    def best(self, task: str, experts: Collection[str]) -> str | None:
        """The expert with the largest share of right answers; over all tasks for an unknown one.

        Ties go to the first by name; None where none of the experts was asked.
        """
        counted = self.tasks.get(task) or self._all()
        shares = {
            expert: right / asked
            for expert, (right, asked) in sorted(counted.items())
            if asked and expert in experts
        }
        return max(shares, key=lambda expert: shares[expert], default=None)

    def _all(self) -> dict[str, tuple[int, int]]:
        total: dict[str, tuple[int, int]] = {}
        for counted in self.tasks.values():
            for expert, (right, asked) in counted.items():
                before = total.get(expert, (0, 0))
                total[expert] = (before[0] + right, before[1] + asked)
        return total
