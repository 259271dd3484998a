"""FusionRoute beside everything else that could be done with its members, on the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.fusion.asking import Answers, ask
from evals.fusion.controls import Scores, best_member, controls
from evals.tasks import Task
from experts.training.data import Say
from routers.base import Encoder
from routers.fusion_route.decode import NOBODY, Chat, Role, all_roles
from routers.fusion_route.save import load_fused

FUSED = "FusionRoute"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores on the test questions of each task, by the name of the way they were got."""

    tasks: tuple[Task, ...]
    fused: Scores
    members: dict[str, Scores]
    whole_answers: dict[str, Scores]
    """One member per question, or a vote: `evals.fusion.controls`."""
    by_token: dict[str, Scores]
    """FusionRoute with a part taken away, and one model of the router's size instead of it."""

    @property
    def ways(self) -> dict[str, Scores]:
        """All of them, in the order of the table."""
        return {FUSED: self.fused, **self.members, **self.whole_answers, **self.by_token}


def compare(
    folder: Path,
    fine_tuned: Chat | None,
    tasks: Sequence[Task],
    encoder: Encoder,
    say: Say,
) -> Comparison:
    """Ask the fused folder in every role, on the tasks' test questions.

    Controls are fitted on the probe questions. `fine_tuned` is a router that was trained
    on the same data without any expert. Raises ConfigError for a folder that can not be used.
    """
    fused = load_fused(folder)
    names = fused.policy.members
    roles = {role.name: role for role in all_roles(names)}

    def test(role: Role, by: Chat = fused) -> Answers:
        return ask(by, role, tasks, "test", say)

    def probe(role: Role) -> Answers:
        return ask(fused, role, tasks, "probe", say)

    alone = {name: Role(name, name, False) for name in names}
    members = [test(role) for role in alone.values()]
    probed = [probe(role) for role in alone.values()]
    fixed = best_member([probe(roles[name]) for name in names])
    by_token = {
        "route, no added logits": test(roles["route_only"]).scores,
        f"always {fixed} + router": test(roles[fixed]).scores,
        "router's logits alone": test(roles["router"]).scores,
    }
    if fine_tuned is not None:
        alone_role = Role("fine-tuned", NOBODY, True)
        by_token["router's size, fine-tuned"] = test(alone_role, fine_tuned).scores
    return Comparison(
        tasks=tuple(tasks),
        fused=test(roles["route"]).scores,
        members={member.name: member.scores for member in members},
        whole_answers=controls(tasks, probed, members, encoder),
        by_token=by_token,
    )
