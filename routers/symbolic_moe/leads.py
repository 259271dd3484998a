"""Which expert merges answers best, by task, as measured with right and wrong answers to merge."""

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
    """Results of merging one right and two wrong answers (arXiv 2503.05641, section 3.3)."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Expert -> version, of the experts that were asked."""
    prompt: str = ""
    """Identifies the prompt: with another one the counts are worthless."""
    tasks: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    """Task -> expert -> (right answers, answers)."""

    @classmethod
    def read(cls, path: Path) -> "Leads":
        """Read a file. Raises ConfigError, with the path and what to do."""
        try:
            found = _File.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: no expert has been probed yet.", hint=HINT) from error
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            words = " ".join(str(error).split())
            raise ConfigError(f"{path} is not a file of leads ({words}).", hint=HINT) from error
        return cls(found.versions, found.prompt, found.tasks)

    def write(self, path: Path) -> None:
        """Write a file, or replace it in one step."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)

    def best(self, task: str, experts: Collection[str]) -> str | None:
        """The expert with the largest share of right answers; for an unknown task, over all tasks.

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
