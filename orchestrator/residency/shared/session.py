"""What a controller knows of one gateway: its requests, its loans, and what it was not told yet."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from experts.errors import CoterieError, ExpertError
from experts.spec import HostedSpec
from orchestrator.residency.machine.state import Replica, Ticket
from orchestrator.residency.shared.messages import Message, refused

MOST_UNHEARD = 100_000
"""Messages that wait for a gateway; one that is so far behind is as good as dead."""
NO_LOAN = 0
"""Where a request had to ask; loans are counted from 1 on."""


@dataclass(slots=True, eq=False)
class Lent:
    """A loan, from the lender's side."""

    replica: Replica
    at_most: int
    called: bool = False
    """Whether it was called back."""


@dataclass(slots=True, eq=False)
class Request:
    """One request of the gateway's."""

    ticket: Ticket
    loan: int = NO_LOAN
    """What it has begun on."""


@dataclass(slots=True, eq=False)
class Session:
    """One gateway."""

    gateway: str
    life: int
    """Which of its hellos began this."""
    heard_at: float
    specs: Mapping[str, HostedSpec]
    """The experts that it is configured with."""
    requests: dict[int, Request] = field(default_factory=dict)
    lent: dict[int, Lent] = field(default_factory=dict)
    expects: Counter[tuple[str, bool]] = field(default_factory=Counter)
    follows: Counter[str] = field(default_factory=Counter)
    chooses: int = 0
    batches: int = 0
    """How many of its reports are known."""
    outbox: deque[tuple[int, Message]] = field(default_factory=deque)
    """What it has not acknowledged, each with its number."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _told: int = 0

    def tell(self, message: Message) -> None:
        """It hears this next."""
        self._told += 1
        self.outbox.append((self._told, message))
        self.news.set()

    def acknowledged(self, number: int) -> None:
        """It has heard everything up to this."""
        while self.outbox and self.outbox[0][0] <= number:
            self.outbox.popleft()

    @property
    def deaf(self) -> bool:
        """Whether it is too far behind."""
        return len(self.outbox) > MOST_UNHEARD


@dataclass(slots=True)
class Holder:
    """How the scheduler tells a request elsewhere that it begins, or why it does not."""

    session: Session
    number: int
    grant: Callable[[Session, int], None]
    _done: bool = False

    def done(self) -> bool:
        """Whether it was told."""
        return self._done

    def set_result(self, _: None) -> None:
        """It begins."""
        self._done = True
        self.grant(self.session, self.number)

    def set_exception(self, error: CoterieError) -> None:
        """It is not served."""
        assert isinstance(error, ExpertError), "of an expert"
        self._done = True
        self.session.requests.pop(self.number, None)
        self.session.tell(refused(self.number, error))
