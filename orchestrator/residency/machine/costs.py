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

WEIGHT = "weight"
"""What is kept beside the fields: else an estimate of five calls would be recalled as certain."""
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
    """One request from its admission to its last token, beside others: what a drain waits for."""
    known: set[str] = field(default_factory=set)
    """The fields that have been measured; the others are guesses."""
    share_s: float = 0.1
    """The slot's time that one request takes where many run, divided equally among them."""
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

    def recall(self, known: dict[str, float]) -> None:
        """Take over what was measured before."""
        for what in FIELDS:
            if what in known:
                setattr(self, what, float(known[what]))
                self.known.add(what)
        self.weight = min(float(known.get(WEIGHT, 0.0)), MOST_WEIGHT)
        self._follow()

    def measurements(self) -> dict[str, float]:
        """Field -> seconds, of what has been measured, and the weight of the shares."""
        found = {what: getattr(self, what) for what in FIELDS if what in self.known}
        return found | ({WEIGHT: self.weight} if "share_s" in found else {})

    def _follow(self) -> None:
        """Until a wake has been seen, it is taken to cost what a load does."""
        if "load_s" in self.known and "wake_s" not in self.known:
            self.wake_s = self.load_s
