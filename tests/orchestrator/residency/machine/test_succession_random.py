"""Engines come and go among all other events: whatever happens, the machine keeps its promises."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from random_pool import GB, NUMBER, Pool

from orchestrator.residency.machine.queues import EngineQueue


class Changing(Pool):
    """A pool whose configuration changes."""

    def configured(self) -> list[EngineQueue]:
        return [queue for queue in self.queues if not queue.state.retired]

    def ghosts(self) -> list[EngineQueue]:
        """Those that are retired, and nobody has taken their experts."""
        retired = [queue for queue in self.queues if queue.state.retired]
        return [q for q in retired if all(self.owner(expert) is q for expert in q.experts)]

    @precondition(lambda self: self.configured())
    @rule(number=NUMBER, requests=st.integers(0, 5))
    def load(self, number: int, requests: int) -> None:
        """Some engine is wanted, and comes, as most do."""
        queue = self.configured()[number % len(self.configured())]
        self.machine.plan(self.slots[number % len(self.slots)], queue.state, required=True)
        self.told([])
        for _ in range(10):
            if not self.pending:
                break
            self.go_on(0, "well")
        for _ in range(requests):
            self.arrive(self.experts.index(queue.experts[-1]), math.inf, 1)

    @rule(number=NUMBER, memory_gb=GB, limit=st.integers(1, 3), other=NUMBER)
    def succeed(self, number: int, memory_gb: float, limit: int, other: int) -> None:
        """An engine comes under a name that there is, or was; the adapter may be anybody's."""
        name = f"e{number % 5}"
        adapter = f"a{other % 5}" if other % 2 else None
        come = [self.make(name, memory_gb, limit, adapter)]
        taken = [q for q in self.configured() if q.state.name == name or adapter in q.experts]
        for state in (queue.state for queue in taken):
            if state.name != name:  # Who loses its adapter is described anew, too.
                come.append(self.make(state.name, state.memory_gb, state.max_in_flight, None))
        self.queues += come
        self.experts = sorted({*self.experts, *(e for queue in come for e in queue.experts)})
        gone = [queue.state for queue in taken]
        self.told(self.machine.reform(come, gone, [], self.now))

    @precondition(lambda self: self.configured())
    @rule(number=NUMBER)
    def remove(self, number: int) -> None:
        state = self.configured()[number % len(self.configured())].state
        self.told(self.machine.reform([], [state], [], self.now))

    @precondition(lambda self: self.ghosts())
    @rule(number=NUMBER)
    def bring_back(self, number: int) -> None:
        ghost = self.ghosts()[number % len(self.ghosts())]
        self.queues.remove(ghost)
        self.queues.append(ghost)
        self.told(self.machine.reform([], [], [ghost.state], self.now))

    @precondition(lambda self: self.queues)
    @rule(number=NUMBER)
    def widen(self, number: int) -> None:
        queue = self.queues[number % len(self.queues)]
        told = self.make(queue.experts[0], 1.0, 5, (*queue.experts, None)[1])
        self.told(self.machine.rebound(queue, told, self.now))

    @precondition(lambda self: self.configured())
    @rule(number=NUMBER)
    def try_out(self, number: int) -> None:
        state = self.configured()[number % len(self.configured())].state
        state.on_trial = True

    @rule()
    def judge(self) -> None:
        for state in [queue.state for queue in self.configured() if queue.state.on_trial]:
            self.told(self.machine.judged(state, self.now))

    def teardown(self) -> None:
        if hasattr(self, "machine"):
            self.judge()
        super().teardown()


Changing.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestChanging = Changing.TestCase
