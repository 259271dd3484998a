"""Whether, and after which pause, a call that failed before its first token is made again. Pure."""

import math
from dataclasses import dataclass

from experts.errors import ExpertError, ExpertLost, ExpertRefused
from orchestrator.config.model import ServerConfig

RATE_LIMITED = 429


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and with which pauses; seconds."""

    times: int = 0
    pause_s: float = 0.0
    pause_max_s: float = 0.0

    @classmethod
    def of(cls, server: ServerConfig) -> "Retries":
        """What the configuration says."""
        return cls(server.retries, server.retry_pause_s, server.retry_pause_max_s)

    def pause(
        self,
        error: ExpertError,
        failed: int,
        draw: float,
        *,
        ours: bool,
        left_s: float = math.inf,
    ) -> float | None:
        """Seconds until the next try, after so many that have failed; None where there is none.

        The pause is exponential with full jitter: `draw`, from 0 to 1, is the part of it that is
        waited. Where a server says itself when to try again, that is waited at least, if it is no
        longer than `pause_max_s`. An expert of `ours` that was lost is there again when the next
        try has its turn. Nobody waits for longer than the `left_s` seconds that a request has.
        """
        if failed > self.times or not _may_pass(error):
            return None
        exponent = min(failed - 1, 60)  # Beyond, it has long been at its bound.
        pause = draw * min(self.pause_max_s, self.pause_s * 2.0**exponent)
        told_s = error.retry_after_s if isinstance(error, ExpertRefused) else None
        if told_s is not None:
            if told_s > self.pause_max_s:
                return None
            pause += told_s
        elif ours and isinstance(error, ExpertLost):
            pause = 0.0
        return pause if pause < left_s else None


def _may_pass(error: ExpertError) -> bool:
    """Whether the same call may go well in a moment; one that was silent for minutes would not."""
    if isinstance(error, ExpertRefused):
        told = error.status == RATE_LIMITED and error.retry_after_s is not None
        return error.retryable or told
    return isinstance(error, ExpertLost)
