"""The command line of the check."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.gpu_check.plan import STEPS

TOTAL_LIMIT_S = 1500.0
CPU_TOTAL_LIMIT_S = 1800.0
OUT = Path("out/gpu-check")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    out: Path
    work: Path | None
    cpu: bool
    only: tuple[str, ...]
    jobs: int | None
    total_limit_s: float


def parse(words: Sequence[str] | None) -> Options:
    """Read the command line; argparse ends the process where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="gpu-check",
        description="Is this GPU all right, and what does a swap cost on it?",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="steps:\n" + "\n".join(f"  {step.name:<22} {step.about}" for step in STEPS),
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, help=f"logs and report.json (default: {OUT})"
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="where checkpoints lie for the time of the check: up to 25 GB (default: /tmp)",
    )
    parser.add_argument(
        "--cpu",
        action="store_true",
        help="skip what needs a GPU and rehearse everything else on the CPU",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="STEP",
        help="run this step and what it uses; may be repeated",
    )
    parser.add_argument(
        "--jobs", type=_positive, help="steps at a time (default: 6 at most on a GPU, 1 on a CPU)"
    )
    parser.add_argument(
        "--total-limit",
        type=_seconds,
        metavar="SECONDS",
        help="steps that do not fit are skipped"
        f" (default: {TOTAL_LIMIT_S:.0f}, with --cpu {CPU_TOTAL_LIMIT_S:.0f})",
    )
    found = parser.parse_args(words)
    total_s = found.total_limit or (CPU_TOTAL_LIMIT_S if found.cpu else TOTAL_LIMIT_S)
    return Options(found.out, found.work, found.cpu, tuple(found.only), found.jobs, total_s)


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {word}")
    return number


def _seconds(word: str) -> float:
    number = float(word)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be more than 0 seconds, not {word}")
    return number
