"""What putting a panel together costs, without the models' own time.

For each question, one right after the other: the experts' own endpoints, all at once, until the
last one has answered; and the same experts as a panel of the gateway that votes.
"""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import httpx
from rich.console import Console

from evals.client.progress import Progress
from evals.reporting.table import print_table, say
from evals.reporting.verdicts import Verdict, print_verdicts
from experts.engine import complete
from experts.errors import ServiceError
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.types import Operation, Request

PANEL = 3
QUESTIONS = 40
OVERHEAD_MS = 10.0
MAX_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Overhead:
    """Of one router; milliseconds, medians over the questions of all rounds."""

    router: str
    fitted: bool
    """Whether it looks at the question: embedding it is not the panel's cost."""
    experts_ms: float
    panel_ms: float
    overhead_ms: float
    """The median of the differences, question by question."""
    route_ms: float

    @property
    def own_ms(self) -> float:
        """What the panel itself adds."""
        return self.overhead_ms - (self.route_ms if self.fitted else 0.0)


async def measure(
    base_url: str,
    endpoints: Mapping[str, str],
    routers: Mapping[str, bool],
    questions: Sequence[str],
    rounds: int,
    progress: Progress,
) -> list[Overhead]:
    """`endpoints` are the experts' own URLs; `routers` tells which of them are fitted."""
    found = []
    async with ExpertClient() as client:
        engines = [
            OpenAIEngine(Endpoint(name, url, name), client) for name, url in endpoints.items()
        ]
        for router, fitted in routers.items():
            alone: list[float] = []
            together: list[float] = []
            routed: list[float] = []
            for number in range(-1, rounds):  # The first one only warms up.
                text = f"measuring a panel by {router}, round {max(number, 0) + 1} of {rounds}"
                progress.doing(text, number + 1, rounds + 1)
                for place, text in enumerate(questions[:QUESTIONS]):
                    names = list(endpoints)
                    pair = (
                        partial(_experts_s, engines, text),
                        partial(_panel_s, client, base_url, router, names, text),
                    )
                    first = (number + place) % 2
                    times = {first: await pair[first](), 1 - first: await pair[1 - first]()}
                    if number >= 0:
                        alone.append(times[0][0])
                        together.append(times[1][0])
                        routed.append(times[1][1])
            differences = [p - a for p, a in zip(together, alone, strict=True)]
            found.append(
                Overhead(
                    router,
                    fitted,
                    *(
                        statistics.median(values)
                        for values in (alone, together, differences, routed)
                    ),
                )
            )
            progress.say(f"{router}: {len(differences)} panels measured")
    return found


async def _experts_s(engines: Sequence[OpenAIEngine], text: str) -> tuple[float, float]:
    """Milliseconds until all have answered."""
    started = time.perf_counter()
    await asyncio.gather(*(complete(engine, Request("bench", *_asked(text))) for engine in engines))
    return 1000 * (time.perf_counter() - started), 0.0


async def _panel_s(
    client: httpx.AsyncClient, base_url: str, router: str, experts: list[str], text: str
) -> tuple[float, float]:
    """Milliseconds of the panel, and those of them that routing took."""
    operation, body = _asked(text)
    options = {"experts": experts}
    started = time.perf_counter()
    answer = await client.post(
        f"{base_url}/v1/{operation}",
        json={**body, "model": f"pool/{router}+vote", "coterie": options},
    )
    elapsed = 1000 * (time.perf_counter() - started)
    if answer.status_code != 200:
        raise ServiceError(f"The panel failed: HTTP {answer.status_code}: {answer.text[:300]}")
    return elapsed, float(answer.headers["x-coterie-route-ms"])


def _asked(text: str) -> tuple[Operation, dict[str, object]]:
    messages = [{"role": "user", "content": text}]
    body = {"messages": messages, "max_tokens": MAX_TOKENS, "temperature": 0, "ignore_eos": True}
    return "chat/completions", body


def print_overheads(console: Console, found: Sequence[Overhead], experts: Sequence[str]) -> int:
    """Print the table and the verdicts; returns the exit code."""
    say(console)
    say(console, f"A panel of {', '.join(experts)}; milliseconds, medians.")
    print_table(
        console,
        ("router", "experts alone", "as a panel", "more", "of it routing"),
        [
            (
                one.router,
                f"{one.experts_ms:.1f}",
                f"{one.panel_ms:.1f}",
                f"{one.overhead_ms:.1f}",
                f"{one.route_ms:.1f}",
            )
            for one in found
        ],
    )
    say(console)
    return print_verdicts(
        console,
        [
            Verdict(
                one.own_ms <= OVERHEAD_MS,
                f"{one.router}: orchestration of {len(experts)} experts adds {one.own_ms:.1f} ms"
                f"{' beside routing' if one.fitted else ''} (target: at most {OVERHEAD_MS:g})",
            )
            for one in found
        ],
    )
