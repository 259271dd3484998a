"""Requests that take several experts, stage after stage: drawn with a seed."""

from dataclasses import dataclass

from evals.benchmarks.simulation.setting import EXPERTS_OF_A_PANEL, SAMPLES, TAGGED
from evals.benchmarks.simulation.traces import Trace, zipf_trace
from experts.errors import ConfigError

FEWEST_EXPERTS = EXPERTS_OF_A_PANEL + 1


@dataclass(frozen=True, slots=True)
class Stages:
    """Whom one request asks: each position in the trace's `experts`."""

    choice: tuple[int, ...]
    """All calls of the tagger; empty without one."""
    panel: tuple[int, ...]
    lead: int


@dataclass(frozen=True, slots=True)
class StagedTrace:
    """Requests in the order of their arrival; `trace` holds when they come, and the experts."""

    trace: Trace
    stages: tuple[Stages, ...]

    def start(self, requests: int) -> "StagedTrace":
        """The first ones."""
        return StagedTrace(self.trace.start(requests), self.stages[:requests])


def staged_trace(
    name: str,
    *,
    experts: int,
    requests: int,
    rate: float,
    alpha: float = 1.0,
    batch_share: float = 0.0,
    seed: int = 0,
) -> StagedTrace:
    """A panel of three, then a lead; in the trace `tagged`, a tagger before them.

    A request's skill is drawn from a Zipf law, as experts are in `zipf_trace`; its panel are the
    three experts from the skill's own one on, its lead one from the other half of the experts. The
    last expert is the tagger. Raises ConfigError for fewer experts than that takes.
    """
    if experts < FEWEST_EXPERTS:
        raise ConfigError(f"The trace {name} needs at least {FEWEST_EXPERTS} experts.")
    skills = experts - 1 if name == TAGGED else experts
    drawn = zipf_trace(
        experts=skills,
        requests=requests,
        rate=rate,
        alpha=alpha,
        batch_share=batch_share,
        seed=seed,
    )
    choice = (skills,) * SAMPLES if name == TAGGED else ()
    by_skill = [
        Stages(
            choice,
            tuple((skill + step) % skills for step in range(EXPERTS_OF_A_PANEL)),
            (skill + skills // 2) % skills,
        )
        for skill in range(skills)
    ]
    names = (*drawn.experts, "tagger") if name == TAGGED else drawn.experts
    trace = Trace(names, drawn.at_s, drawn.expert, drawn.kind)
    return StagedTrace(trace, tuple(by_skill[skill] for skill in drawn.expert))
