"""What the machine tells its driver to do."""

from enum import Enum
from typing import NamedTuple

from orchestrator.residency.machine.policy import Transition
from orchestrator.residency.machine.state import EngineState, Replica, SlotState, Ticket


class Refusal(Enum):
    """Why a request cannot be served."""

    QUEUE_FULL = "queue full"
    GAVE_WAY = "its place in the queue went to one with an age bound"
    TOO_LARGE = "too large for every slot"
    NOT_LOADED = "could not be loaded"
    STOPPING = "the service stops, and loads nothing any more"
    GONE = "no longer configured"


class Grant(NamedTuple):
    """The request begins, in `ticket.replica`."""

    ticket: Ticket


class Reject(NamedTuple):
    """The request is not served; `retry_after_s` says when it could be."""

    ticket: Ticket
    refusal: Refusal
    retry_after_s: float | None = None


class Abort(NamedTuple):
    """The drain took too long: these requests end now, and their replica leaves."""

    replica: Replica
    tickets: tuple[Ticket, ...]


class Begin(NamedTuple):
    """A transition begins: for people, nothing needs to be done."""

    transition: Transition


class Unload(NamedTuple):
    """Drop the replica, or put it to sleep; answer with `left` or `unload_failed`."""

    replica: Replica
    may_sleep: bool


class Forget(NamedTuple):
    """Drop an engine that sleeps, to make room; answer with `forgotten`."""

    slot: SlotState
    engine: str


class Load(NamedTuple):
    """Load the replica; answer with `loaded`, `memory_short` or `load_failed`."""

    replica: Replica
    warm: bool
    """Whether the slot has had it: it wakes where it can sleep, else its files are warm."""


class MakeRoom(NamedTuple):
    """Memory was short for the replica, and all that may leave does: for people."""

    replica: Replica


class End(NamedTuple):
    """The slot's transition is over."""

    slot: SlotState


class Vacant(NamedTuple):
    """Nothing is left in a slot that is given back, and nothing comes there: end its process."""

    slot: SlotState


class Gone(NamedTuple):
    """Nothing is left of an engine that is no longer configured."""

    engine: EngineState


Effect = Grant | Reject | Abort | Begin | Unload | Forget | Load | MakeRoom | End | Vacant | Gone
