"""What fusing costs: composites beside their parts, in one worker process and one run."""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from evals.benchmarks.fusion.models import FORMS, TOGETHER
from evals.client.load import LoadClient, load_client, target
from evals.client.progress import Progress
from evals.client.worker.serving import THREADS
from experts.errors import ServiceError

REFERENCE_LOOP = "evals.benchmarks.fusion.reference_loop"

LEVELS = (1, 64)
MAX_TOKENS = 64
# Requests per measurement: enough for several waves, and about a second of work.
REQUESTS = {1: 8, 64: 128}
REFERENCE_TOKENS = 4
COMPOSITE = "route"
CONTRAST = "contrast"
PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds per token of every model at one load; numbers of one place share a round."""

    in_flight: int
    models: Mapping[str, tuple[float, ...]]

    def median(self, name: str) -> float:
        """Over the rounds."""
        return statistics.median(self.models[name])

    def share_beyond(self, whole: str, bare: str) -> float:
        """Median over the rounds of the share of the whole's time that `bare` does without."""
        pairs = zip(self.models[whole], self.models[bare], strict=True)
        return statistics.median(1 - less / time for time, less in pairs)

    def parts_to_whole(self, whole: str, parts: Sequence[str]) -> float:
        """Median over the rounds of (sum of the parts' times) / (the whole's time)."""
        sums = map(sum, zip(*(self.models[name] for name in parts), strict=True))
        pairs = zip(sums, self.models[whole], strict=True)
        return statistics.median(both / own for both, own in pairs)


@dataclass(frozen=True, slots=True)
class Reference:
    """The plain torch loop: `prompts` prompts one after the other, `tokens` new tokens each."""

    prompts: int
    tokens: int
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        return self.prompts * self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class FusionBench:
    """Everything that was measured, in one run."""

    rounds: int
    parts: tuple[str, ...]
    """Of the composite: its router, then its members."""
    times: tuple[Times, ...]
    reference: Reference

    def at(self, in_flight: int) -> Times:
        """The times at one load."""
        return next(times for times in self.times if times.in_flight == in_flight)


async def measure(
    url: str,
    fused: Path,
    parts: Sequence[str],
    questions: Sequence[str],
    rounds: int,
    progress: Progress,
) -> FusionBench:
    """Measure the models behind `url`: COMPOSITE, its `parts`, CONTRAST, PLAIN, FORMS, TOGETHER.

    `fused` is the folder of COMPOSITE, for the reference loop. Raises ServiceError.
    """
    names = (COMPOSITE, *parts, CONTRAST, PLAIN, *FORMS, TOGETHER)
    found: dict[int, dict[str, list[float]]] = {level: {} for level in LEVELS}
    async with load_client() as client:
        progress.doing("warming up")
        for name in names:
            for level in LEVELS:
                await ms_per_token(client, url, name, questions, level)
        for number in range(rounds):
            for place, level in enumerate(LEVELS):
                done, steps = number * len(LEVELS) + place, rounds * len(LEVELS)
                progress.doing(f"round {number + 1} of {rounds}: {level} in flight", done, steps)
                # Who begins changes every round.
                for name in reversed(names) if number % 2 else names:
                    time = await ms_per_token(client, url, name, questions, level)
                    found[level].setdefault(name, []).append(time)
            progress.say(f"round {number + 1} of {rounds} measured")
    progress.doing("running the torch reference loop")
    reference = await measure_reference(url, fused, questions)
    progress.say(f"reference loop: {reference.seconds:.1f} s")
    times = tuple(
        Times(level, {name: tuple(values) for name, values in models.items()})
        for level, models in found.items()
    )
    return FusionBench(rounds, tuple(parts), times, reference)


async def ms_per_token(
    client: LoadClient, url: str, name: str, questions: Sequence[str], level: int
) -> float:
    """Milliseconds of one job over its tokens: the time per token that all streams share."""
    side = target(f"{url}/e/{name}/v1", name, questions, stream=True, max_tokens=MAX_TOKENS)
    job = {"targets": [side], "in_flight": level, "requests": REQUESTS[level]}
    result = await client.run(job)
    tokens: int = sum(exchange["tokens"] for exchange in result["exchanges"])
    return 1000 * float(result["seconds"]) / tokens


async def measure_reference(url: str, fused: Path, questions: Sequence[str]) -> Reference:
    """Run the loop over as many prompts as are in flight in the comparison, on as many threads."""
    asked = [questions[number % len(questions)] for number in range(LEVELS[-1])]
    async with httpx.AsyncClient(timeout=60) as client:
        answers = [await _tokens(client, url, question) for question in asked]
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            REFERENCE_LOOP,
            str(fused),
            str(REFERENCE_TOKENS),
        ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": str(THREADS)},
    )
    try:
        printed, _ = await process.communicate(json.dumps(answers).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ServiceError("The torch reference loop failed.")
    seconds = float(json.loads(printed.splitlines()[-1])["seconds"])
    return Reference(len(asked), REFERENCE_TOKENS, seconds)


async def _tokens(client: httpx.AsyncClient, url: str, question: str) -> list[int]:
    """The prompt as the composite's chat template makes it."""
    body = {"model": COMPOSITE, "messages": [{"role": "user", "content": question}]}
    response = await client.post(f"{url}/e/{COMPOSITE}/tokenize", json=body)
    response.raise_for_status()
    tokens: list[int] = response.json()["tokens"]
    return tokens
