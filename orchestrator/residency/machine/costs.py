"""What loading and serving an engine takes: running estimates."""

from dataclasses import dataclass, field

NEWEST_SHARE = 0.3
"""Weight of the newest measurement of a load, a wake or a departure."""
SERVICE_SHARE = 0.05
"""The same for one request, of which there are many."""
MANY = 4.0
"""Who runs beside fewer says nothing of what a request takes where many run."""
MOST_WEIGHT = 20_000.0
"""Of what is known of shares: a hundred and fifty requests among as many, or more among fewer."""

DRAIN, WEIGHT = "drain_s", "weight"
"""What is kept beside the fields: without the weight, what five calls told would be recalled as
certain."""
FIELDS = ("load_s", "wake_s", "leave_s", "service_s", "share_s")


@dataclass(slots=True, eq=False)
class Costs:
    """Seconds, as far as they are known."""

    load_s: float = 1.0
    """From nothing to ready, in a slot process that runs."""
    wake_s: float = 1.0
    """From asleep to ready."""
    leave_s: float = 0.05
    """From drained to gone (or asleep)."""
    service_s: float = 0.1
    """One request from its admission to its last token, beside others."""
    known: set[str] = field(default_factory=set)
    """The fields that have been measured; the others are guesses."""
    share_s: float = 0.1
    """The slot's time that one request takes where many run, divided equally among them."""
    drain_s: float | None = None
    """From the decision that it leaves to the end of its last request; None until one was seen."""
    weight: float = 0.0
    """Of what is behind `share_s`: requests count by how many ran beside them."""

    def measured(self, what: str, seconds: float) -> None:
        """Mix a measurement into the estimate `what`; the first one replaces the guess."""
        share = NEWEST_SHARE if what in self.known else 1.0
        self.known.add(what)
        before: float = getattr(self, what)
        setattr(self, what, before + share * (seconds - before))
        self._follow()

    def served(self, seconds: float, share_s: float) -> None:
        """A request has taken so long, and so much of its slot's time."""
        together = seconds / share_s if share_s > 0 else 0.0
        if together >= MANY:
            self.known.add("share_s")
            self.weight = min(self.weight + together, MOST_WEIGHT)
            self.share_s += (share_s - self.share_s) * min(1.0, together / self.weight)
        if "service_s" in self.known:
            self.service_s += SERVICE_SHARE * (seconds - self.service_s)
        else:
            self.known.add("service_s")
            self.service_s = seconds

    @property
    def finishing_s(self) -> float:
        """What it takes to finish what has begun: a request, until a drain has been seen."""
        return self.service_s if self.drain_s is None else self.drain_s

    def drained(self, seconds: float) -> None:
        """Requests that had begun have ended, while nothing new began."""
        before = seconds if self.drain_s is None else self.drain_s
        self.drain_s = before + NEWEST_SHARE * (seconds - before)

    def recall(self, known: dict[str, float]) -> None:
        """Take over what was measured before."""
        for what in FIELDS:
            if what in known:
                setattr(self, what, float(known[what]))
                self.known.add(what)
        self.weight = min(float(known.get(WEIGHT, 0.0)), MOST_WEIGHT)
        if DRAIN in known:
            self.drain_s = float(known[DRAIN])
        self._follow()

    def measurements(self) -> dict[str, float]:
        """Field -> seconds, of what has been measured, and the weight of the shares."""
        found: dict[str, float] = {
            what: getattr(self, what) for what in FIELDS if what in self.known
        }
        if self.drain_s is not None:
            found[DRAIN] = self.drain_s
        return found | ({WEIGHT: self.weight} if "share_s" in found else {})

    def _follow(self) -> None:
        """Until a wake has been seen, it is taken to cost what a load does."""
        if "load_s" in self.known and "wake_s" not in self.known:
            self.wake_s = self.load_s
