"""What one request will ask later, as its pool is told: each call until it is made or given up."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.residency.machine.state import CHOICE, FIRST
from orchestrator.residency.pool import ExpertPool


class Expectations:
    """The calls of one request: which stage they belong to, and which are still to come."""

    def __init__(self, pool: ExpertPool, request_class: str) -> None:
        self._pool = pool
        self._request_class = request_class
        self._choosing = False
        self._made: Counter[str] = Counter()
        self._at_once: Counter[str] = Counter()
        self._expected: Counter[str] = Counter()

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """While calls, and what is made of their answers, decide which experts will be asked."""
        self._choosing = True
        try:
            with self._pool.choosing(self._request_class):
                yield
        finally:
            self._choosing = False

    @contextmanager
    def answering(self, most_calls: Counter[str], at_once: Counter[str]) -> Iterator[None]:
        """While an answer of at most `most_calls` is made, of which `at_once` come first.

        The others are expected until they are made, or the answer ends.
        """
        self._made, self._at_once, self._expected = Counter(), at_once, most_calls - at_once
        for expert in self._expected.elements():
            self._pool.expect(expert, self._request_class)
        try:
            yield
        finally:
            for expert in self._expected.elements():
                self._pool.expect_no_more(expert, self._request_class)
            self._at_once, self._expected = Counter(), Counter()

    def asks(self, expert: str) -> int:
        """The stage of a call that is made now."""
        if self._choosing:
            return CHOICE
        self._made[expert] += 1
        made, at_once = self._made[expert], self._at_once[expert]
        if made > at_once and self._expected[expert]:
            self._expected[expert] -= 1
            self._pool.expect_no_more(expert, self._request_class)
        if not self._at_once:
            return FIRST
        return FIRST + ((made - 1) // at_once if at_once else made)
