"""What a gateway has borrowed, and where its next request may begin without asking. Pure."""

from collections import Counter
from dataclasses import dataclass, field

from orchestrator.residency.shared.messages import Loan, Where


@dataclass(slots=True, eq=False)
class Borrowed:
    """A loan, and what runs on it."""

    loan: Loan
    running: Counter[str] = field(default_factory=Counter)
    """Requests that have begun on it and are not over, by expert."""

    @property
    def in_use(self) -> int:
        """All of them."""
        return self.running.total()

    def admits(self, expert: str) -> bool:
        """Whether one more request of the expert may begin."""
        loan = self.loan
        return self.in_use < loan.at_most and self.running[expert] < loan.of_expert.get(expert, 0)


class Loans:
    """The loans that one gateway holds."""

    def __init__(self) -> None:
        self._by_engine: dict[str, list[Borrowed]] = {}
        self._by_number: dict[int, Borrowed] = {}

    def add(self, loan: Loan) -> None:
        """A loan has come."""
        borrowed = Borrowed(loan)
        self._by_number[loan.number] = borrowed
        self._by_engine.setdefault(loan.engine, []).append(borrowed)

    def drop(self, number: int) -> bool:
        """Let nothing begin on a loan any more; whether it was there."""
        borrowed = self._by_number.pop(number, None)
        if borrowed is None:
            return False
        self._by_engine[borrowed.loan.engine].remove(borrowed)
        return True

    def clear(self) -> None:
        """None is held any more."""
        self._by_number.clear()
        self._by_engine.clear()

    def take(self, engine: str, expert: str) -> Borrowed | None:
        """Let a request of the expert begin where the fewest run; None where it has to ask."""
        best: Borrowed | None = None
        for borrowed in self._by_engine.get(engine, ()):
            if borrowed.admits(expert) and (best is None or borrowed.in_use < best.in_use):
                best = borrowed
        if best is not None:
            best.running[expert] += 1
        return best

    def where(self, engine: str) -> Where | None:
        """Where the engine answers, as far as its loans tell."""
        held = self._by_engine.get(engine, ())
        return next((borrowed.loan.where for borrowed in held), None)
