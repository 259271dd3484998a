"""By what others know a request's trace: W3C Trace Context, read and written. Pure.

https://www.w3.org/TR/trace-context/ (level 1; the randomness flag of level 2 is passed on).
"""

import re
import secrets
from dataclasses import dataclass, replace

SAMPLED = 1
MOST_STATE = 512
"""Characters of a `tracestate` that is passed on: as many as everybody must."""
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_RATIO_BITS = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """The trace that a request belongs to, and the request's place in it."""

    trace_id: str
    """32 hexadecimal digits."""
    parent_id: str | None = None
    """The caller's span, of 16 hexadecimal digits, where there was one."""
    flags: int = 0
    state: str = ""
    """The `tracestate` that came with it."""
    span_id: str | None = None
    """The request's own span; None where none is made."""

    @property
    def sampled(self) -> bool:
        """Whether spans of the trace are kept."""
        return bool(self.flags & SAMPLED)

    def headers(self, span_id: str | None) -> dict[str, str]:
        """What tells a server that is called, by a span of ours if there is one, of the trace."""
        parent = span_id or self.span_id or self.parent_id
        if parent is None:
            return {}
        told = {"traceparent": f"00-{self.trace_id}-{parent}-{self.flags:02x}"}
        return told | ({"tracestate": self.state} if self.state else {})


def read_identity(traceparent: str, tracestate: str = "") -> Identity | None:
    """What a caller says of its trace; None where it says nothing that can be read."""
    found = _PARENT.fullmatch(traceparent.strip())
    if found is None:
        return None
    version, trace_id, parent_id, flags, rest = found.groups()
    known = version == "00"
    if version == "ff" or (known and rest) or not int(trace_id, 16) or not int(parent_id, 16):
        return None
    # Of a later version, only the flag that is known here counts.
    mask = 0x03 if known else SAMPLED
    state = tracestate.strip() if len(tracestate) <= MOST_STATE else ""
    return Identity(trace_id, parent_id, int(flags, 16) & mask, state)


def with_span(identity: Identity | None, sample: float) -> Identity:
    """The identity of a request that gets a span, if its caller wants that, or it is drawn.

    `sample` is the share of the traces that begin here which are kept.
    """
    own = secrets.token_hex(8)
    if identity is not None:
        return replace(identity, span_id=own)
    trace_id = secrets.token_hex(16)
    return Identity(trace_id, flags=int(is_drawn(trace_id, sample)), span_id=own)


def is_drawn(trace_id: str, sample: float) -> bool:
    """Whether a trace is in the share, by its id alone, as OpenTelemetry's own sampler says."""
    return (int(trace_id, 16) & _RATIO_BITS) < round(sample * (1 << 64))
