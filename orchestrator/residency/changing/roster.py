"""The engines of a pool: those that are configured, and those that have not left yet."""

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.residency.engines import HostedEngine
from orchestrator.residency.machine.state import EngineState


class Roster(Mapping[str, HostedEngine]):
    """The configured engines by their names, and beside them those that leave."""

    def __init__(self, engines: Mapping[str, HostedEngine]) -> None:
        self._configured: dict[str, HostedEngine] = {}
        self.known: dict[EngineState, HostedEngine] = {}
        """What is known of an engine beside its state, also of one that leaves."""
        self.states: dict[str, EngineState] = {}
        """Expert -> the engine that a request for it goes to."""
        self.change(engines.values(), ())

    def __getitem__(self, name: str) -> HostedEngine:
        return self._configured[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._configured)

    def __len__(self) -> int:
        return len(self._configured)

    def of(self, state: EngineState) -> HostedEngine:
        """What is known of an engine beside its state."""
        return self.known[state]

    def serving(self, expert: str) -> HostedEngine | None:
        """The engine that answers for an expert, its own or its base's; None where none does."""
        state = self.states.get(expert)
        return None if state is None else self.known[state]

    def leaving(self, name: str) -> HostedEngine | None:
        """The last engine of that name that is configured no longer and has not left."""
        gone = (e for e in self.known.values() if e.name == name and e.state.retired)
        return next(reversed(tuple(gone)), None)

    def change(self, come: Iterable[HostedEngine], go: Iterable[HostedEngine]) -> None:
        """Others are configured; those that go are known until they are forgotten."""
        for engine in go:
            del self._configured[engine.name]
        for engine in come:
            self._configured[engine.name] = engine
            self.known[engine.state] = engine
            self.states.update(dict.fromkeys(engine.load.experts, engine.state))

    def forget(self, state: EngineState) -> None:
        """One that was configured has left."""
        del self.known[state]
        for expert in [expert for expert, one in self.states.items() if one is state]:
            del self.states[expert]
