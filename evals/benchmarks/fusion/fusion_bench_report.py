"""What the benchmark of fusing found, in a table and in verdicts against the targets."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from evals.benchmarks.fusion.fusion_bench import COMPOSITE, CONTRAST, PLAIN, FusionBench, Times
from evals.benchmarks.fusion.models import FORMS, TOGETHER
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts

OF_PARTS_AT_LEAST = 0.9
TIMES_REFERENCE_AT_LEAST = 10.0
CONTRAST_AT_MOST = {1: 1.35, 64: 2.1}
THOUGHTS_AT_MOST = 1.25
INTERACTIONS_AT_MOST = 0.2


def verdicts(bench: FusionBench) -> list[Verdict]:
    """Every target with its measurement."""
    found = [_parts(times, bench.parts) for times in bench.times]
    most = bench.times[-1]
    served = 1000 / most.median(COMPOSITE)
    faster = served / bench.reference.tokens_per_s
    found.append(
        Verdict(
            faster >= TIMES_REFERENCE_AT_LEAST,
            f"composite, {most.in_flight} in flight: {faster:.1f} times the tokens/s of the torch"
            f" reference loop (target: at least {TIMES_REFERENCE_AT_LEAST:g})",
        )
    )
    found += [_contrast(times) for times in bench.times]
    for times in bench.times:
        for name, form in FORMS.items():
            found += _thoughts(times, name, form, bench.parts[1:])
    return found


def _parts(times: Times, parts: tuple[str, ...]) -> Verdict:
    ratio = times.parts_to_whole(COMPOSITE, parts)
    return Verdict(
        ratio >= OF_PARTS_AT_LEAST,
        f"composite, {times.in_flight} in flight: {ratio:.2f} of the throughput of 1 / (sum of the"
        f" members' step times) (target: at least {OF_PARTS_AT_LEAST:g})",
    )


def _contrast(times: Times) -> Verdict:
    ratio = 1 / times.parts_to_whole(CONTRAST, (PLAIN,))
    most = CONTRAST_AT_MOST[times.in_flight]
    return Verdict(
        ratio <= most,
        f"self-contrast, {times.in_flight} in flight: {ratio:.2f} of plain greedy's time per token"
        f" (target: at most {most:g})",
    )


def _thoughts(times: Times, name: str, form: str, members: tuple[str, ...]) -> list[Verdict]:
    ratio = 1 / times.parts_to_whole(name, members)
    share = times.share_beyond(name, TOGETHER)
    what = f"mixture of thoughts ({form}), {times.in_flight} in flight:"
    return [
        Verdict(
            ratio <= THOUGHTS_AT_MOST,
            f"{what} {ratio:.2f} of the sum of its {len(members)} members' step times (target: at"
            f" most {THOUGHTS_AT_MOST:g})",
        ),
        Verdict(
            share <= INTERACTIONS_AT_MOST,
            f"{what} interactions take {100 * share:.0f} % of a step (target: at most"
            f" {100 * INTERACTIONS_AT_MOST:.0f})",
        ),
    ]


def print_bench(console: Console, bench: FusionBench) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console)
    say(console, f"Milliseconds per token, streaming, medians of {bench.rounds} interleaved rounds")
    say(console, "in one worker process; with 64 in flight, of all streams together.")
    rows = [
        [label, *(f"{times.median(name):.3f}" for times in bench.times)]
        for label, name in (
            *((f"{name} alone", name) for name in bench.parts),
            (f"composite of these {len(bench.parts)}", COMPOSITE),
            ("mixture, plain greedy", PLAIN),
            ("mixture, self-contrast", CONTRAST),
            (f"the {len(bench.parts) - 1} members in one model", TOGETHER),
            *((f"mixture of thoughts, {form}", name) for name, form in FORMS.items()),
        )
    ]
    rows.insert(
        len(bench.parts),
        [
            "sum of these",
            *(f"{sum(map(times.median, bench.parts)):.3f}" for times in bench.times),
        ],
    )
    columns = ["model", *(f"{times.in_flight} in flight" for times in bench.times)]
    print_table(console, columns, rows)
    reference = bench.reference
    say(console)
    say(
        console,
        f"Reference loop in torch: {reference.prompts} prompts one after the other,"
        f" {reference.tokens} new tokens each, every position anew: {reference.seconds:.1f} s,"
        f" {reference.tokens_per_s:.1f} tokens/s.",
    )
    say(console)
    return print_verdicts(console, verdicts(bench))


def write_json(path: Path, bench: FusionBench) -> None:
    """Every measurement, with the verdicts."""
    tree = {**asdict(bench), "verdicts": [asdict(verdict) for verdict in verdicts(bench)]}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
