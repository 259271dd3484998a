"""What gateways and their controller tell each other. Times are ages: their clocks differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from experts.errors import ExpertError, ExpertOverloaded, ExpertUnavailable
from experts.spec import HostedSpec


class Begun(NamedTuple):
    """A request has begun, on a loan."""

    number: int
    """Of the request; a gateway never uses one twice."""
    expert: str
    loan: int


class Runs(NamedTuple):
    """A request has begun earlier, in this slot: told to a controller that is new."""

    number: int
    expert: str
    slot: str


class Waits(NamedTuple):
    """A request waits for its turn."""

    number: int
    expert: str
    waited_s: float
    max_wait_s: float | None
    """The age bound of its class."""
    stage: int


class Over(NamedTuple):
    """A request has ended, or its client has left."""

    number: int
    answered: bool


class Returned(NamedTuple):
    """No request begins on the loan any more."""

    loan: int


class Expects(NamedTuple):
    """So many requests more (or, negative, fewer) will ask the expert later."""

    expert: str
    unhurried: bool
    change: int


class Follows(NamedTuple):
    """So many batches more (or fewer) ask the engine as soon as it has answered."""

    engine: str
    change: int


class Chooses(NamedTuple):
    """For so many requests more (or fewer) it is being found out whom to ask."""

    change: int


Event = Begun | Runs | Waits | Over | Returned | Expects | Follows | Chooses
"""What a gateway tells."""


class Where(NamedTuple):
    """Where a replica serves."""

    slot: str
    url: str
    """Without /e/<expert>."""
    token: str | None


class Loan(NamedTuple):
    """Until it is called back, so many requests may run in a replica without asking."""

    number: int
    engine: str
    where: Where
    at_most: int
    of_expert: Mapping[str, int]
    """How many of them each of the engine's experts may have."""


class Called(NamedTuple):
    """A loan is called back: let no more requests begin, and return it."""

    loan: int


class Granted(NamedTuple):
    """A request that waited begins."""

    number: int
    where: Where
    load_s: float
    """How long of its wait its engine was loading."""


class Refused(NamedTuple):
    """A request that waited is not served, for a reason that is an `ExpertError`."""

    number: int
    kind: str
    """Its class."""
    message: str
    hint: str
    retry_after_s: float | None

    def error(self, expert: str) -> ExpertError:
        """The error itself."""
        if self.kind == ExpertOverloaded.__name__:
            return ExpertOverloaded(self.message, expert=expert, hint=self.hint)
        return ExpertUnavailable(
            self.message, expert=expert, hint=self.hint, retry_after_s=self.retry_after_s
        )


def refused(number: int, error: ExpertError) -> Refused:
    """An error in words that can be sent."""
    retry_after_s = error.retry_after_s if isinstance(error, ExpertUnavailable) else None
    return Refused(number, type(error).__name__, error.message, error.hint, retry_after_s)


class Seen(NamedTuple):
    """How engines and slots are now."""

    state: Mapping[str, Any]


class Said(NamedTuple):
    """Words for people: what was loaded, and what went wrong."""

    words: str


Message = Loan | Called | Granted | Refused | Seen | Said
"""What a controller tells."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A gateway introduces itself, or does so again to a controller that does not know it."""

    gateway: str
    """Its name, which no other has."""
    life: int
    """Counts its hellos: what it said before one of them is not taken for what it says after."""
    pool: str
    """A digest of the slots that it was configured with."""
    specs: Mapping[str, HostedSpec]
    """The experts that it was configured with."""
    events: Sequence[Event]
    """All that is under way in it."""


class Who(NamedTuple):
    """A gateway, and which of its hellos it goes by."""

    gateway: str
    life: int


class UnknownGateway(Exception):
    """The controller has restarted, or has taken the gateway for dead: say hello again."""
