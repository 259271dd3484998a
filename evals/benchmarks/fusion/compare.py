"""A fused expert beside everything else that could be done with its members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.benchmarks.fusion.controls import controls
from evals.client.progress import Progress
from evals.client.worker.answers import Answers, Scores
from evals.client.worker.served import Served
from evals.tasks.task import Task
from experts.errors import ConfigError
from experts.fused.folder.composite import Composite
from experts.fused.folder.folder_config import read
from experts.fused.folder.member import member_folder
from routers.base import Encoder

FUSED = "fused"
"""The name of the fused expert in the worker process."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores on the test questions of each task, by the name of the way they were got."""

    name: str
    """Of the method that fused the expert."""
    tasks: tuple[Task, ...]
    fused: Scores
    members: Mapping[str, Scores]
    whole_answers: Mapping[str, Scores]
    """One member per question, or a vote: `evals.benchmarks.fusion.controls`."""
    variants: Mapping[str, Scores]
    """The fused expert with a part taken away, or something else of its size."""

    @property
    def ways(self) -> dict[str, Scores]:
        """All of them, in the order of the table."""
        return {self.name: self.fused, **self.members, **self.whole_answers, **self.variants}


@dataclass(frozen=True, slots=True)
class MemberAnswers:
    """What every member said to the probe and to the test questions."""

    probe: tuple[Answers, ...]
    test: tuple[Answers, ...]

    def whole_answers(
        self, tasks: Sequence[Task], encoder: Encoder, voters: int | None = None
    ) -> dict[str, Scores]:
        """The controls that use one member's whole answer; `voters` as in `controls`."""
        return controls(tasks, self.probe, self.test, encoder, voters)

    @property
    def scores(self) -> dict[str, Scores]:
        """Of the test questions, by member."""
        return {member.name: member.scores for member in self.test}


def read_fused(folder: Path, kind: type[Composite]) -> dict[str, Path]:
    """The members' folders of a fused folder. Raises ConfigError for one of another kind."""
    composite = read(folder)
    if not isinstance(composite, kind):
        raise ConfigError(f"{folder} is a {composite.architecture}, not a {kind.architecture}.")
    return {name: member_folder(folder, one) for name, one in composite.members.items()}


async def ask_members(
    fused: Served, members: Sequence[str], tasks: Sequence[Task], progress: Progress
) -> MemberAnswers:
    """Ask every member both splits; they are served beside the fused expert."""
    probe, test = [], []
    for number, name in enumerate(members):
        progress.doing(f"asking {name}", number, len(members))
        served = Served(fused.client, fused.url, name)
        probe.append(await served.answers(tasks, "probe"))
        test.append(await served.answers(tasks, "test"))
    progress.say(f"{len(members)} members have answered the questions of {len(tasks)} tasks")
    return MemberAnswers(tuple(probe), tuple(test))
