"""Whom a run evaluates: experts and compositions of a pool, or a server's models by their names."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from evals.client.progress import Progress
from evals.runs.asking.asker import Asker, tokens_of
from evals.runs.questions import Asked
from evals.runs.subjects.calls import RowCalls, Spent, read, why
from evals.runs.subjects.composition import CompositionSubject, Parts
from evals.runs.subjects.given import Given, together
from experts.errors import ConfigError, ExpertError, UnknownModel
from experts.fused.roles import fused
from orchestrator.config.model import Config
from orchestrator.request.compositions import Compositions
from orchestrator.request.embedding.local import local_embedder
from orchestrator.request.plan import prices_of
from routers.base import Router
from routers.registry import build, shared_encoder

Kind = Literal["expert", "composition"]


class Subject(Protocol):
    """One that answers every question of a run."""

    name: str

    @property
    def kind(self) -> Kind:
        """What the run's record calls it."""
        ...

    async def prepare(self, rows: Sequence[Asked], progress: Progress) -> None:
        """Do what needs no expert."""

    async def answers(
        self, rows: Sequence[Asked], asker: Asker, progress: Progress, done: Callable[[], None]
    ) -> list[Given]:
        """All answers, in order; `done` is called after each."""
        ...


class ExpertSubject:
    """One expert, asked by its name."""

    kind: Kind = "expert"

    def __init__(self, name: str) -> None:
        self.name = name

    async def prepare(self, rows: Sequence[Asked], progress: Progress) -> None:
        """There is nothing to prepare."""

    async def answers(
        self, rows: Sequence[Asked], asker: Asker, progress: Progress, done: Callable[[], None]
    ) -> list[Given]:
        """Of every question, all at once. Raises what is no fault of one question."""
        return await together([self._answer(row, asker, done) for row in rows])

    async def _answer(self, row: Asked, asker: Asker, done: Callable[[], None]) -> Given:
        calls = RowCalls(asker, {})
        text, error = "", None
        try:
            text = (await calls.once(self.name, row.request)).text
        except ExpertError as failure:
            error = why(failure)
        done()
        return Given(self.name, row, text, calls.spent, error, self.name)


class NamedSubject:
    """A model of a server that is asked by its name, whatever is behind it."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = name
        self.kind = kind

    async def prepare(self, rows: Sequence[Asked], progress: Progress) -> None:
        """There is nothing to prepare."""

    async def answers(
        self, rows: Sequence[Asked], asker: Asker, progress: Progress, done: Callable[[], None]
    ) -> list[Given]:
        """Of every question, all at once. Raises what is no fault of one question."""
        return await together([self._answer(row, asker, done) for row in rows])

    async def _answer(self, row: Asked, asker: Asker, done: Callable[[], None]) -> Given:
        text, error, spent, expert = "", None, Spent(), None
        try:
            reply = await asker.ask(self.name, row.request)
            told: Mapping[str, Any] = reply.response.get("coterie") or {}
            spent = _told_of(self.name, reply.response, reply.seconds)
            text = read(self.name, reply.response).text
            expert = None if "panel" in told else told.get("expert") or self.name
        except ExpertError as failure:
            error = why(failure)
        done()
        return Given(self.name, row, text, spent, error, expert)


def _told_of(name: str, response: Mapping[str, Any], seconds: float) -> Spent:
    """One call; its tokens by expert, where the service tells them."""
    told = response.get("coterie") or {}
    spent = Spent(seconds=seconds)
    spent.calls[name] += 1
    by_expert = told.get("usage") or {told.get("expert") or name: None}
    whole = tokens_of(response)
    for expert, usage in by_expert.items():
        spent.tokens[expert] = tokens_of({"usage": usage}) if usage else whole
    return spent


def pool_subjects(settings: Config, names: Sequence[str]) -> list[Subject]:
    """The subjects of these names; of none: every composition and every expert.

    Raises ConfigError for a name that means nothing, and for what a router or aggregator lacks.
    """
    wanted = names or [*settings.compositions, *settings.answering]
    encoder = shared_encoder()
    models = {name: fused(spec.model) for name, spec in settings.hosted().items()}
    parts = Parts(prices_of(settings), {name: one for name, one in models.items() if one}, encoder)
    compositions, routers = Compositions(settings), dict[str, Router]()
    subjects: list[Subject] = []
    for name in _once(wanted):
        if name in settings.answering:
            subjects.append(ExpertSubject(name))
            continue
        try:
            composition = compositions.named(name)
        except UnknownModel as error:
            raise ConfigError(f"--models: {error.message}", hint=error.hint) from error
        router = composition.config.router
        if router not in routers:
            keys, experts = settings.routers[router], tuple(settings.answering)
            routers[router] = build(router, keys, experts, encoder, local_embedder(settings))
        subjects.append(CompositionSubject(name, composition, routers[router], parts))
    return subjects


def named_subjects(names: Sequence[str], experts: Sequence[str] | None) -> list[Subject]:
    """Models of a server; `experts` are those of a Coterie service, None for any other server.

    Raises ConfigError where no name is given.
    """
    if not names:
        raise ConfigError("Without a configuration, --models must name whom --url is asked for.")
    return [
        NamedSubject(name, "expert" if experts is None or name in experts else "composition")
        for name in _once(names)
    ]


def _once(names: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"--models names {', '.join(twice)} twice.")
    return list(names)
