"""The traffic that a pool is sized for: every call of an expert, and what is known of it. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an expert."""

    at_s: float
    """When it comes, counted from the first one."""
    expert: str
    kind: str
    """The class of its request."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """None: nobody has told."""
    waited_s: float | None = None
    """From its arrival to its admission, where that was measured."""
    served_s: float | None = None
    """From there to its last token."""
    slot: str | None = None
    """Where that was."""

    @property
    def began_s(self) -> float:
        """When it was admitted."""
        return self.at_s + (self.waited_s or 0.0)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls in the order in which they come."""

    source: str
    """Where it is from, in words."""
    requests: int
    """What clients asked; a panel makes several calls of one, a kept answer none."""
    calls: tuple[Call, ...]
    notes: tuple[str, ...] = ()
    """What was assumed about it."""

    @property
    def span_s(self) -> float:
        """From the first call to the last one."""
        return self.calls[-1].at_s - self.calls[0].at_s

    @property
    def rate(self) -> float:
        """Calls per second; infinite where all come at once."""
        return len(self.calls) / self.span_s if self.span_s else math.inf


def in_order(calls: Sequence[Call]) -> tuple[Call, ...]:
    """The calls by their arrival, counted from the first one."""
    ordered = sorted(calls, key=lambda call: call.at_s)
    first_s = ordered[0].at_s if ordered else 0.0
    return tuple(replace(call, at_s=call.at_s - first_s) for call in ordered)


def times(traffic: Traffic, factor: float) -> Traffic:
    """The same calls in so much less time: so many times as many in a second."""
    if factor == 1.0:
        return traffic
    quick = tuple(replace(call, at_s=call.at_s / factor) for call in traffic.calls)
    note = f"The traffic is taken {factor:g} times: the same calls in so much less time."
    return replace(traffic, calls=quick, notes=(*traffic.notes, note))


def busiest(traffic: Traffic, most: int) -> Traffic:
    """At most so many calls in a row: those that came in the shortest time."""
    calls = traffic.calls
    if len(calls) <= most:
        return traffic
    ends = range(most - 1, len(calls))
    last = min(ends, key=lambda end: calls[end].at_s - calls[end - most + 1].at_s)
    note = (
        f"Of {len(calls):,} calls, the busiest {most:,} in a row are simulated (--most-calls);"
        " those before and after them came more slowly."
    )
    kept = in_order(calls[last - most + 1 : last + 1])
    requests = round(traffic.requests * most / len(calls))
    return replace(traffic, calls=kept, requests=requests, notes=(*traffic.notes, note))


def with_tokens(traffic: Traffic) -> Traffic:
    """What nobody has told of a call's tokens is what its expert's, or all, have in the mean."""
    told = [call for call in traffic.calls if call.completion_tokens is not None]
    untold = len(traffic.calls) - len(told)
    if not untold or not told:
        return traffic
    means = {name: _means([c for c in told if c.expert == name]) for name in _experts(told)}
    overall = _means(told)

    def filled(call: Call) -> Call:
        prompt, completion = means.get(call.expert, overall)
        return replace(
            call,
            prompt_tokens=prompt if call.prompt_tokens is None else call.prompt_tokens,
            completion_tokens=completion,
        )

    calls = tuple(c if c.completion_tokens is not None else filled(c) for c in traffic.calls)
    note = f"{untold:,} calls without counted tokens have the mean of their expert's others."
    return replace(traffic, calls=calls, notes=(*traffic.notes, note))


def _experts(calls: Sequence[Call]) -> set[str]:
    return {call.expert for call in calls}


def _means(calls: Sequence[Call]) -> tuple[int, int]:
    prompts = sum(call.prompt_tokens or 0 for call in calls)
    completions = sum(call.completion_tokens or 0 for call in calls)
    return round(prompts / len(calls)), round(completions / len(calls))
