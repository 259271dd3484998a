"""Stop strings in a text that arrives in pieces."""


class Stops:
    """Passes text on up to a stop string; what may become one is held back."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def add(self, piece: str) -> tuple[str, bool]:
        """What can be shown now, and whether a stop string is complete."""
        self._held += piece
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._held[: min(found)], True
        wait = max((self._begun(stop) for stop in self._stops), default=0)
        shown = self._held[: len(self._held) - wait]
        self._held = self._held[len(shown) :]
        return shown, False

    def rest(self) -> str:
        """What was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held

    def _begun(self, stop: str) -> int:
        """How many characters at the end are the beginning of `stop`."""
        most = min(len(stop) - 1, len(self._held))
        return next((n for n in range(most, 0, -1) if self._held.endswith(stop[:n])), 0)
