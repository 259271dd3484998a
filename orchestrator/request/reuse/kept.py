"""An answer as it is kept: its bytes, and what is told of it; and which answers are worth it."""

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experts.sse import data_of, split_events
from experts.types import EMBEDDINGS, Request
from experts.upstream.answers import choices_of
from orchestrator.request.plan import AskExpert
from orchestrator.request.tracing.presentation import headers_told
from orchestrator.request.tracing.trace import Trace

_FINISH = re.compile(rb'"finish_reason":\s*"(\w*)"')
WHOLE = frozenset({b"stop", b"length", b"tool_calls"})
"""How answers end that are what was asked for; quotes within texts are escaped, and not found."""
_DEGRADED = ("failed", "late")
"""Facts of a panel in which somebody was missing."""
_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]")
_TAIL = 256


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer; it is the source of those that get it again."""

    content_type: str
    body: bytes
    explanation: Mapping[str, Any]
    """The field `coterie` of the first request, with all that explains it."""
    created: float
    """When it was given first, in seconds since 1970."""

    @property
    def expert(self) -> str | None:
        """Who has answered."""
        found: str | None = self.explanation.get("expert")
        return found

    def told(self) -> Mapping[str, Any]:
        """What the first request's client was told."""
        return self.explanation

    def headers(self, *, early: bool) -> Mapping[str, str]:
        """The headers that tell who answered, and how long ago."""
        age_s = max(0, int(time.time() - self.created))
        return {**headers_told(self.explanation), "age": str(age_s)}

    def to_bytes(self) -> bytes:
        """A line of JSON, then the body."""
        head = [self.content_type, self.explanation, self.created]
        return json.dumps(head).encode() + b"\n" + self.body


def kept_answer(raw: bytes) -> KeptAnswer | None:
    """The opposite of `to_bytes`; None for what another version of Coterie has kept."""
    head, _, body = raw.partition(b"\n")
    try:
        content_type, told, created = json.loads(head)
        return KeptAnswer(str(content_type), body, dict(told), float(created))
    except (ValueError, TypeError):
        return None


def is_clean(trace: Trace) -> bool:
    """Whether the answer is that of those who should give it, with nobody out and no bound met."""
    if trace.missed or trace.budget_spent or any(map(trace.facts.get, _DEGRADED)):
        return False
    plan = trace.plan
    if plan is None:  # The service's own embeddings.
        return True
    if plan.left_out or math.isinf(plan.saved_s):
        return False
    # Of one expert: whether it is the one that answered in the end.
    one = isinstance(plan.action, AskExpert) and bool(trace.made)
    return not one or trace.made[-1].expert == plan.expert


def is_whole(request: Request, body: bytes) -> bool:
    """Whether an answer of status 200 has ended as answers should."""
    if request.operation == EMBEDDINGS:
        return True
    ends = _FINISH.findall(body)
    if request.stream and not _DONE.search(body[-_TAIL:]):
        return False
    return len(ends) >= choices_of(request.body) and WHOLE.issuperset(ends)


def less_comments(body: bytes) -> bytes:
    """A stream without the comments that told what it waited for."""
    return b"".join(event for event in split_events(body) if data_of(event))
