"""The steps of the check, in the order in which they are most worth their time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

COMPOSITES = ("route", "contrast", "self-contrast", "thoughts")


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the check."""

    name: str
    about: str
    module: str
    """Of `deploy.gpu_check.steps`, whose `run` does the work."""
    limit_s: float
    argument: str = ""
    """What tells steps of one module apart."""
    device: bool = False
    """Whether it makes no sense without a GPU."""
    gate: bool = False
    """Whether every later step is skipped where it fails."""
    after: tuple[str, ...] = ()
    """Steps whose results it uses."""
    alone: bool = False
    """Whether nothing may run beside it: it measures."""
    needs: tuple[str, ...] = ("torch", "vllm")
    """Modules without which it is skipped."""


STEPS: tuple[Step, ...] = (
    Step("environment", "GPU, versions, memory, sleep mode's allocator", "environment", 90,
         gate=True, needs=()),
    Step("kernels", "vLLM's kernels against PyTorch", "kernels", 90, gate=True),
    Step("attention", "FlashAttention against PyTorch", "attention", 90, device=True, gate=True,
         needs=("torch", "vllm", "vllm.vllm_flash_attn")),
    Step("slot", "a worker loads, sleeps, wakes and unloads", "slot", 150),
    *(Step(f"eager-{name}", f"{name} in float32 against its PyTorch reference", "references", 150,
           name)
      for name in COMPOSITES),
    Step("checkpoints", "random models for the figures", "checkpoints", 120),
    *(Step(f"graphs-{name}", f"{name} compiled, in graphs and short of memory, against eager",
           "graphs", 360, name)
      for name in COMPOSITES),
    Step("mixture", "a mixture of experts through sleep level 2", "mixture", 120, device=True),
    Step("adapter", "a LoRA expert against its merged weights", "adapter", 120,
         needs=("torch", "vllm", "peft")),
    Step("swap", "what loading, sleeping and waking cost", "swap", 300, after=("checkpoints",),
         alone=True),
    Step("fusion", "composites beside their members", "fusion", 480, after=("checkpoints",),
         alone=True),
    Step("service", "a Ray slot through the whole service, gateway beside endpoint", "service", 240,
         after=("checkpoints",), alone=True, needs=("torch", "vllm", "ray")),
)  # fmt: skip
"""In float32 first: what is wrong there need not be looked for in a graph.

The limits are about twice what an H200 took, on a machine whose caches were empty."""


def by_name(steps: Iterable[Step] = STEPS) -> dict[str, Step]:
    """Step by its name."""
    return {step.name: step for step in steps}


def choose(only: Sequence[str], steps: Sequence[Step] = STEPS) -> tuple[Step, ...]:
    """The steps asked for and what they use, in order; all where none is named.

    Raises ValueError for a name that no step has.
    """
    known = by_name(steps)
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"no step is called {', '.join(unknown)}; there are: {', '.join(known)}")
    wanted = set(only) or set(known)
    grown = True
    while grown:
        used = {name for step in steps if step.name in wanted for name in step.after}
        grown = not used <= wanted
        wanted |= used
    return tuple(step for step in steps if step.name in wanted)


def reason_to_skip(step: Step, cpu: bool, present: Mapping[str, bool]) -> str | None:
    """Why this machine cannot run the step, if it cannot; `present`: which modules there are."""
    if cpu and step.device:
        return "needs a GPU"
    missing = [name for name in step.needs if not present[name]]
    return f"needs {', '.join(missing)}, not installed here" if missing else None
