"""How long each call takes in a slot: measured from the traces, given, or derived from weights.

Alone, a call takes `token_s` for each token of its answer, and as long for every `prompt_ratio`
tokens of its prompt. Where many run together in one engine, a step writes one token of each of them
for little more than one alone: the slot's time that a token takes falls to `token_s / batching`.
Reading a prompt gains nothing from company: that computes, where writing waits for memory. And
engines of one slot take turns, since each reads its own weights.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from evals.benchmarks.sizing.traffic import Call, Traffic
from experts.errors import ConfigError

PROMPT_RATIOS = {"cuda": 150.0, "cpu": 20.0}
"""Tokens of a prompt that are read in the time of writing one, alone: writing waits for memory, and
a GPU has more to compute with."""
ENOUGH = 5
"""Calls that a speed is measured from, at least."""
ALONE = 1.5
"""Whose engine has fewer calls than that, its own included, is taken to have it alone."""
MANY, MANY_CALLS = 4.0, 20
"""Calls whose engine has so many, and how many of these it takes to see what company gains."""
SATURATED = 0.8
"""Who gets less than this share of the speed that it has alone is slowed down by the others."""
BATCHING = 20.0
"""What company gains where nothing has been measured: as `make bench` has found on two cores; a
model of 7 billion parameters on a large GPU gains more."""
HBM_GB_S = 3350.0
"""Memory bandwidth of an H100; an A100 has 2,000, an H200 4,800 GB/s."""
OF_BANDWIDTH = 0.6
"""What an engine reaches of it, alone."""
STEP_S = 0.004
"""A step of an engine on a GPU takes so long however small its model is."""
DEFAULT_PROMPT, DEFAULT_COMPLETION = 500, 200
"""Tokens of a call of which nobody has told any."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one call takes."""

    alone_s: float
    """Seconds, with nobody beside it."""
    work_s: float
    """Of the slot's time, where many run in the same engine."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """What calls take, and where that is from."""

    token_s: Mapping[str, float]
    """Expert -> seconds for a token of its answer, alone."""
    batching: float
    prompt_ratio: float
    notes: tuple[str, ...] = ()

    def needs(self, call: Call) -> Needs:
        """What a call takes."""
        prompt = DEFAULT_PROMPT if call.prompt_tokens is None else call.prompt_tokens
        answer = DEFAULT_COMPLETION if call.completion_tokens is None else call.completion_tokens
        token_s = self.token_s[call.expert]
        reading = max(prompt / self.prompt_ratio, 1.0 if not answer else 0.0)
        work_s = token_s * (answer / self.batching + reading)
        return Needs(max(token_s * (answer + reading), work_s), work_s)


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody knows better."""

    tokens_per_s: float | None = None
    """Of one answer alone."""
    batching: float | None = None
    bandwidth_gb_s: float = HBM_GB_S


@dataclass(frozen=True, slots=True)
class Served:
    """One call as it was measured."""

    call: Call
    company: float
    """How many calls its engine had, itself included, in the mean over its time."""
    engines: float
    """How many engines of the slot were at work."""
    prompt_ratio: float

    @property
    def piece_s(self) -> float:
        """Its engine's seconds for each token, those of the prompt counted for what they take."""
        call = self.call
        pieces = (call.completion_tokens or 0) + (call.prompt_tokens or 0) / self.prompt_ratio
        return (call.served_s or 0.0) / self.engines / pieces

    def gain(self, token_s: float) -> float:
        """How many such calls the engine served in the time of one alone."""
        return self.company * token_s / self.piece_s


def find_speeds(
    traffic: Traffic,
    engine_of: Mapping[str, int],
    weights_gb: Mapping[str, float],
    given: Given,
    on_gpu: bool,
) -> Speeds:
    """The speeds of all experts that the traffic calls.

    `engine_of` tells which experts share an engine, `weights_gb` are those of each expert's engine
    on one GPU. Raises ConfigError where nothing says how fast an expert is.
    """
    called = sorted({call.expert for call in traffic.calls})
    prompt_ratio = PROMPT_RATIOS["cuda" if on_gpu else "cpu"]
    served = measured_calls(traffic.calls, engine_of, prompt_ratio)
    by_expert = {
        name: [one for one in served if one.call.expert == name]
        for name in called
        if given.tokens_per_s is None
    }
    measured = {n: _token_s(some) for n, some in by_expert.items() if len(some) >= ENOUGH}
    token_s, notes = dict(measured), []
    if measured:
        rates = sorted(1.0 / one for one in measured.values())
        notes.append(
            f"An answer alone comes with {_spread(rates)} tokens/s, as the trace has measured"
            f" {len(measured)} of {len(called)} experts, on what wrote it."
        )
    rest = [name for name in called if name not in token_s]
    if given.tokens_per_s is not None:
        token_s |= dict.fromkeys(rest, 1.0 / given.tokens_per_s)
        notes.append(f"An answer alone comes with {given.tokens_per_s:g} tokens/s, as given.")
    elif rest:
        token_s |= _derived(rest, weights_gb, given, on_gpu)
        rates = sorted(1.0 / token_s[name] for name in rest)
        notes.append(
            f"Not measured: an answer of {_some(rest)} alone comes with {_spread(rates)} tokens/s,"
            f" as many as {OF_BANDWIDTH:.0%} of {given.bandwidth_gb_s:,.0f} GB/s read its weights"
            " (--bandwidth, --tokens-per-s)."
        )
    batching, note = _batching(served, measured, given)
    notes += [
        note,
        f"{prompt_ratio:g} tokens of a prompt are read in the time of writing one, alone;"
        " hits of the prefix cache are not counted.",
    ]
    return Speeds(token_s, batching, prompt_ratio, tuple(notes))


def measured_calls(
    calls: Iterable[Call], engine_of: Mapping[str, int], prompt_ratio: float
) -> list[Served]:
    """Those that say how long they were served, with what ran beside them."""
    by_slot: dict[str, list[Call]] = {}
    for call in calls:
        if call.slot is not None and call.served_s and (call.completion_tokens or 0) > 0:
            by_slot.setdefault(call.slot, []).append(call)
    return [
        Served(call, company, engines, prompt_ratio)
        for some in by_slot.values()
        for call, (company, engines) in zip(some, _beside(some, engine_of), strict=True)
    ]


def _beside(calls: Sequence[Call], engine_of: Mapping[str, int]) -> list[tuple[float, float]]:
    """Of each call of one slot: calls of its engine, and engines at work, over its time."""
    events = sorted(
        event
        for number, call in enumerate(calls)
        for event in (
            (call.began_s, 1, number),
            (call.began_s + (call.served_s or 0.0), -1, number),
        )
    )
    running: Counter[int] = Counter()
    areas: defaultdict[int, float] = defaultdict(float)
    engines, engines_area, before_s = 0, 0.0, 0.0
    found = [(0.0, 0.0)] * len(calls)
    for at_s, change, number in events:
        engines_area += engines * (at_s - before_s)
        for engine, count in running.items():
            areas[engine] += count * (at_s - before_s)
        own, before_s = engine_of[calls[number].expert], at_s
        running[own] += change
        engines = sum(count > 0 for count in running.values())
        seconds, began = calls[number].served_s or 1.0, found[number]
        if change > 0:
            found[number] = (areas[own], engines_area)
        else:
            found[number] = (
                (areas[own] - began[0]) / seconds,
                (engines_area - began[1]) / seconds,
            )
    return found


def _token_s(served: Sequence[Served]) -> float:
    """Of those that ran alone; where too few did, of the tenth that was slowed down least."""
    alone = [one.piece_s for one in served if one.company < ALONE]
    if len(alone) >= ENOUGH:
        return median(alone)
    return sorted(one.piece_s for one in served)[len(served) // 10]


def _batching(
    served: Sequence[Served], token_s: Mapping[str, float], given: Given
) -> tuple[float, str]:
    if given.batching is not None:
        words = f"Together, answers of an engine get {given.batching:g} times that, as given."
        return given.batching, words
    crowded = [one for one in served if one.company >= MANY and one.call.expert in token_s]
    gains = sorted(one.gain(token_s[one.call.expert]) for one in crowded)
    if len(gains) >= MANY_CALLS:
        gain = max(1.0, gains[len(gains) * 9 // 10])
        fullest = sorted(one.company for one in crowded)[len(crowded) * 9 // 10]
        if gain < SATURATED * fullest:
            return gain, f"Together, answers of an engine get {gain:.1f} times that: measured."
        if gain >= BATCHING:
            words = f"Together, answers of an engine get {gain:.0f} times that, at least: measured."
            return gain, words
    return BATCHING, (
        f"Together, answers of an engine get {BATCHING:g} times that: assumed, since no engine is"
        " known to have been full (--batching)."
    )


def _derived(
    names: Sequence[str], weights_gb: Mapping[str, float], given: Given, on_gpu: bool
) -> dict[str, float]:
    """For every token of one answer, all weights are read."""
    if not on_gpu:
        raise ConfigError(
            f"Nothing says how fast {_some(names)} answers on a CPU: the trace has fewer than"
            f" {ENOUGH} whole calls of it.",
            hint="Give --tokens-per-s, of one answer alone, or --gpu-memory to plan for GPUs.",
        )
    unknown = [name for name in names if not weights_gb.get(name)]
    if unknown:
        raise ConfigError(
            f"Nothing says how fast {_some(unknown)} answers: its weights are not on this machine.",
            hint="Give --tokens-per-s, of one answer alone.",
        )
    per_s = OF_BANDWIDTH * given.bandwidth_gb_s * 1e9
    return {name: max(weights_gb[name] * (1 << 30) / per_s, STEP_S) for name in names}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _spread(ordered: Sequence[float]) -> str:
    low, high = f"{ordered[0]:,.0f}", f"{ordered[-1]:,.0f}"
    return low if low == high else f"{low} to {high}"
