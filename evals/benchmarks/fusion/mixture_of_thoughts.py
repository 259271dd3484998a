"""A trained Mixture of Thoughts beside its members, its variants and its controls."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random

from aggregators.mixture_of_thoughts.save import ROUTER, role_name
from evals.benchmarks.fusion.compare import FUSED, Comparison, ask_members, read_fused
from evals.benchmarks.fusion.compare_report import Targets, print_comparison, write_json
from evals.client.progress import Progress
from evals.client.worker.answers import Scores
from evals.client.worker.served import Served, client
from evals.client.worker.serving import serving
from evals.reporting.table import Finish
from evals.tasks.task import Task
from experts.fused.folder.folder_config import read as read_composite
from experts.fused.folder.methods.mixture_of_thoughts import MixtureOfThoughts
from experts.types import Request
from routers.base import Decision, Encoder
from routers.mixture_of_thoughts import ThoughtsRouter
from routers.registry import shared_encoder

ALONE = "its primary alone (gate 0)"
RANDOM_PEERS = "random peers"
TARGETS = Targets(
    below_specialist_at_most=0.02,
    joint_at_least=0.0,
    above_others_at_least=0.0,
    above_variants=(ALONE, RANDOM_PEERS),
)
SEED = 0


async def evaluate(
    folder: Path, tasks: Sequence[Task], json_out: Path | None, progress: Progress
) -> Finish:
    """Serve a fused folder and its members, ask them and print the comparison.

    Raises ConfigError and ServiceError.
    """
    members = read_fused(folder, MixtureOfThoughts)
    encoder = shared_encoder()()
    progress.doing("loading the models")
    async with serving({FUSED: folder, **members}) as url, client() as connection:
        progress.say(f"{len(members) + 1} models loaded into one worker process")
        fused = Served(connection, url, FUSED)
        answers = await ask_members(fused, list(members), tasks, progress)
        progress.doing("asking the mixture")
        mixture = Mixture(fused, folder, tasks, encoder)
        thought = await mixture.answer()
        variants = {
            ALONE: mixture.alone(answers.scores),
            RANDOM_PEERS: await mixture.answer_with_random_peers(),
        }
    progress.doing("fitting the controls")
    whole = answers.whole_answers(tasks, encoder, voters=mixture.active)
    comparison = Comparison(
        "Mixture of Thoughts", tuple(tasks), thought, answers.scores, whole, variants
    )
    if json_out:
        write_json(json_out, comparison, TARGETS)
    return partial(print_comparison, comparison=comparison, targets=TARGETS)


class Mixture:
    """A served mixture, whose own router decides who speaks and whom it hears."""

    def __init__(
        self, served: Served, folder: Path, tasks: Sequence[Task], encoder: Encoder
    ) -> None:
        self._served = served
        self._tasks = tasks
        composite = read_composite(folder)
        self._members = list(composite.members)
        self._decisions = decide(folder, tasks, encoder)
        found = (one for decisions in self._decisions.values() for one in decisions)
        self.active = max(len(decision.evidence["active"]) for decision in found)
        """How many members take part in an answer, at most."""

    async def answer(self) -> Scores:
        """Of the test questions."""
        roles = {name: [str(one.role) for one in d] for name, d in self._decisions.items()}
        return (await self._served.answers(self._tasks, "test", roles)).scores

    async def answer_with_random_peers(self) -> Scores:
        """The same primaries with as many peers, drawn anew."""
        rng = Random(SEED)

        def role(decision: Decision) -> str:
            primary, *peers = decision.evidence["active"]
            others = [name for name in self._members if name != primary]
            return role_name(primary, rng.sample(others, len(peers)))

        roles = {name: [role(one) for one in d] for name, d in self._decisions.items()}
        return (await self._served.answers(self._tasks, "test", roles)).scores

    def alone(self, members: Mapping[str, Scores]) -> Scores:
        """What the chosen primaries say without any peer, from the members' own scores."""
        return {
            task: tuple(
                members[decision.evidence["primary"]][task][number]
                for number, decision in enumerate(found)
            )
            for task, found in self._decisions.items()
        }


def decide(folder: Path, tasks: Sequence[Task], encoder: Encoder) -> dict[str, list[Decision]]:
    """What the mixture's own router decides for each test question, by task."""
    config = ThoughtsRouter.Config(
        type="mixture_of_thoughts", expert=FUSED, artifact=folder / ROUTER
    )
    router = ThoughtsRouter("thoughts", config, [FUSED], lambda: encoder)

    def ask(text: str) -> Request:
        return Request("", "chat/completions", {"messages": [{"role": "user", "content": text}]})

    return {
        task.name: router.route([ask(sample.question) for sample in task.samples("test")])
        for task in tasks
    }
