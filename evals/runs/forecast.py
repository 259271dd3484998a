"""Which calls a run makes, as far as that can be known before it makes any."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aggregators.base import most_calls
from evals.client.progress import Progress
from evals.runs.asking.keys import call_key, is_drawn
from evals.runs.questions import Asked
from evals.runs.subjects.composition import CompositionSubject
from evals.runs.subjects.pool import Subject
from experts.errors import ExpertError, ExpertLost, RequestError
from experts.fused.roles import in_role
from experts.types import Chunk, Request
from orchestrator.request.compositions import Composition, aggregator_of
from orchestrator.request.plan import Abstain, AskExpert, Plan

LOOKED_AT = 64


@dataclass(slots=True)
class Wanted:
    """The calls of a run."""

    total: int = 0
    """Of all subjects, each for itself, at most."""
    distinct: dict[bytes, tuple[str, Request]] = field(default_factory=dict)
    """Those whose text is known, by their keys."""
    later: list[tuple[str, Request, int]] = field(default_factory=list)
    """Expert, question and number of those that follow from answers, at most."""


class _Silent:
    """An `Ask` whose experts all fail: it hears everything that does not follow from an answer."""

    deadline, quorum = float("inf"), 1 << 30

    def __init__(self) -> None:
        self.calls: list[tuple[str, Request]] = []

    async def __call__(
        self, expert: str, request: Request, *, whole: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        self.calls.append((expert, request))
        raise ExpertLost(f"{expert} is not asked.", expert=expert)
        yield Chunk("")

    async def embed(self, texts: Sequence[str]) -> None:
        """There are no texts."""

    def tell(self, words: str, **facts: Any) -> None:
        """Nobody listens."""


async def asked_with_logprobs(
    subjects: Sequence[Subject],
    rows: Sequence[Asked],
    versions: Mapping[str, str],
    progress: Progress,
) -> frozenset[str]:
    """The experts of which some composition wants log-probabilities, by a sample of the questions.

    Asked for them at once, these experts need not be asked twice.
    """
    some = rows[:: -(-len(rows) // LOOKED_AT)]
    found = await wanted_calls(subjects, some, versions, progress)
    return frozenset(e for e, request in found.distinct.values() if "logprobs" in request.body)


async def wanted_calls(
    subjects: Sequence[Subject],
    rows: Sequence[Asked],
    versions: Mapping[str, str],
    progress: Progress,
) -> Wanted:
    """What the subjects ask, once they are prepared."""
    found = Wanted()
    for subject in subjects:
        if not isinstance(subject, CompositionSubject):
            for row in rows:
                _add(found, [(subject.name, row.request)], versions)
            continue
        plans = await subject.plans(rows, progress)
        for row, (plan, composition) in zip(rows, plans, strict=True):
            tagger = _Silent()
            await subject.tags(row, tagger)
            _add(found, tagger.calls, versions)
            if plan is not None:
                await _add_plan(found, row.request, plan, composition, versions)
    return found


async def _add_plan(
    found: Wanted,
    request: Request,
    plan: Plan,
    composition: Composition,
    versions: Mapping[str, str],
) -> None:
    action = plan.action
    if isinstance(action, Abstain):
        return
    if isinstance(action, AskExpert):
        _add(found, [(action.expert, in_role(request, action.role))], versions)
        return
    silent = _Silent()
    aggregator, budget = aggregator_of(composition, action), composition.config.budget
    # That nobody answers is what was meant.
    with suppress(ExpertError, RequestError):
        async for _ in aggregator.aggregate(request, action.panel, silent):
            pass
    at_most = most_calls(aggregator, action.panel)
    known = silent.calls[: budget.calls]
    _add(found, known, versions)
    left = budget.calls - len(known)
    for expert, most in (at_most - Counter(expert for expert, _ in known)).items():
        if count := min(most, left):
            left -= count
            found.total += count
            found.later.append((expert, request, count))


def _add(found: Wanted, calls: Sequence[tuple[str, Request]], versions: Mapping[str, str]) -> None:
    """Calls of one row."""
    repeats: Counter[bytes] = Counter()
    for expert, request in calls:
        key = call_key(versions[expert], request)
        if is_drawn(request):
            repeats[key] += 1
            key = call_key(versions[expert], request, repeats[key] - 1)
        found.distinct.setdefault(key, (expert, request))
        found.total += 1
