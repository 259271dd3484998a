"""The measurements: cold and warm loads, one batch served in three ways, a hostile stream."""

import asyncio
import statistics
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import httpx

from evals.benchmarks.swap.workload import ROOM
from evals.client.ask import Answer, Question, ask, ask_many
from evals.client.progress import Progress
from evals.client.service import serving
from experts.errors import ServiceError
from experts.footprint.device import expected
from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.residency import ray_cluster, ray_slot
from orchestrator.residency.engines import planned_loads
from orchestrator.residency.machine.policy import Policy, PolicyDecision, Rules, Transition, decide
from orchestrator.residency.machine.state import EngineState, Replica, SlotState
from orchestrator.service import Service

HOSTILE_IN_FLIGHT = 64
HOSTILE_GAP_S = 1.5


@dataclass(frozen=True, slots=True)
class Starts:
    """Seconds to the first token: in a new slot process, and in one that has had the expert."""

    cold_s: tuple[float, ...]
    warm_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median warm to median cold."""
        return statistics.median(self.warm_s) / statistics.median(self.cold_s)


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One way to serve the batch."""

    name: str
    requests: int
    loads: int
    seconds: float
    failures: int


@dataclass(frozen=True, slots=True)
class Hostile:
    """Waits of those who asked once while a stream to one expert never paused (seconds)."""

    bound_s: float
    load_s: float
    drain_s: float
    waits_s: tuple[float, ...]
    background: int
    failures: int

    @property
    def allowed_s(self) -> float:
        """The age bound, one load and one drain."""
        return self.bound_s + self.load_s + self.drain_s


async def measure_starts(config: Config, rounds: int, progress: Progress) -> Starts:
    """Every round: a new slot process to the first token, then warm loads in the same process."""
    planned = planned_loads(config.hosted(), config.slots, expected(config.slots.gpus))
    loads = [load for load, _ in planned.values()]
    questions = iter(count())
    cold, warm = [], []
    progress.doing("starting Ray")
    ray_cluster.connect(config.ray, config.slots)
    try:
        for number in range(rounds):
            first, others = loads[number], loads[number + 1 : number + 4]
            progress.doing(f"starting slot process {number + 1} of {rounds}", number, rounds)
            started = time.perf_counter()
            [slot] = ray_slot.make_slots(config.ray, config.slots)
            url = await slot.start()
            await slot.load(first)
            await _first_token(url, first.expert, next(questions))
            cold.append(time.perf_counter() - started)
            for load in others:
                await slot.load(load)
                await slot.unload(load.expert)
                started = time.perf_counter()
                await slot.load(load)
                await _first_token(url, load.expert, next(questions))
                warm.append(time.perf_counter() - started)
            await slot.stop()
            progress.say(f"cold start {cold[-1]:.1f} s, warm loads {_seconds(warm[-3:])}")
    finally:
        ray_cluster.disconnect()
    return Starts(tuple(cold), tuple(warm))


@dataclass(frozen=True, slots=True)
class Asked:
    """What a pool made of requests that all came at once."""

    answers: tuple[Answer, ...]
    loads: int
    seconds: float


async def ask_all(
    name: str,
    config: Config,
    questions: Sequence[Question],
    progress: Progress,
    policy: Policy = decide,
) -> Asked:
    """All requests at once, of the batch class."""
    async with serving_copies(config, progress, policy) as (service, client):
        done = progress.counting(name, len(questions), "answers")
        started = time.perf_counter()
        answers = await ask_many(
            client,
            f"{service.base_url}/batch/v1",
            questions,
            in_flight=len(questions),
            stream=False,
            on_answer=done,
        )
        seconds = time.perf_counter() - started
        return Asked(tuple(answers), await loads_of(client, service), seconds)


async def run_grouped(
    config: Config, questions: Sequence[Question], progress: Progress
) -> BatchRun:
    """All requests at once, of the batch class: the pool groups them."""
    asked = await ask_all("ours", config, questions, progress)
    failures = sum(answer.error is not None for answer in asked.answers)
    return BatchRun("ours, all in flight", len(asked.answers), asked.loads, asked.seconds, failures)


async def run_first_come(
    config: Config, questions: Sequence[Question], progress: Progress
) -> BatchRun:
    """In the order of arrival; who is not resident waits for the least recently used to drain."""
    async with serving_copies(config, progress, policy=load_at_once) as (service, client):
        done = progress.counting("first come + LRU", len(questions), "answers")
        resident: OrderedDict[str, set[asyncio.Task[Answer]]] = OrderedDict()
        tasks: list[asyncio.Task[Answer]] = []
        started = time.perf_counter()
        for question in questions:
            if question.model not in resident:
                if len(resident) == ROOM:
                    await asyncio.gather(*resident.popitem(last=False)[1])
                resident[question.model] = set()
            resident.move_to_end(question.model)
            call = ask(client, f"{service.base_url}/v1", question, stream=False)
            task = asyncio.create_task(call)
            task.add_done_callback(lambda task: done(task.result()))
            resident[question.model].add(task)
            tasks.append(task)
        answers = await asyncio.gather(*tasks)
        seconds = time.perf_counter() - started
        return await _run("first come + LRU", client, service, answers, seconds)


async def run_per_request(
    config: Config, questions: Sequence[Question], progress: Progress
) -> BatchRun:
    """One after the other, each with a load of its own; the expert leaves when it has answered."""
    async with serving_copies(config, progress) as (service, client):
        done = progress.counting("a load per request", len(questions), "answers")
        answers: list[Answer] = []
        started = time.perf_counter()
        for question in questions:
            answers.append(await ask(client, f"{service.base_url}/v1", question, stream=False))
            done(answers[-1])
        seconds = time.perf_counter() - started
        return await _run("a load per request", client, service, answers, seconds)


async def run_hostile(
    config: Config, questions: Sequence[Question], bound_s: float, progress: Progress
) -> Hostile:
    """An endless stream to the first expert, and a single question to each of the others."""
    victim = questions[0].model
    flood = [question for question in questions if question.model == victim]
    singles = list({q.model: q for q in questions if q.model != victim}.values())
    async with serving_copies(config, progress) as (service, client):
        stop = asyncio.Event()
        streams = [
            asyncio.create_task(_flood(client, f"{service.base_url}/v1", flood, lane, stop))
            for lane in range(HOSTILE_IN_FLIGHT)
        ]
        asked = []
        for number, question in enumerate(singles, start=1):
            text = f"hostile stream: {number} of {len(singles)} others have asked"
            progress.doing(text, number, len(singles))
            # The pace of the experiment, not a wait for something to happen.
            await asyncio.sleep(HOSTILE_GAP_S)
            call = ask(client, f"{service.base_url}/v1", question, stream=False)
            asked.append(asyncio.create_task(call))
        answers = await asyncio.gather(*asked)
        stop.set()
        background = [answer for lane in await asyncio.gather(*streams) for answer in lane]
        state = (await client.get(f"{service.base_url}/coterie/pool")).json()
    load_s = max(entry["seconds"] for entry in state["loads"].values())
    drain_s = max(answer.seconds - answer.waited_s for answer in background)
    everybody = [*answers, *background]
    return Hostile(
        bound_s,
        load_s,
        drain_s,
        tuple(answer.waited_s for answer in everybody),
        len(background),
        sum(answer.error is not None for answer in everybody),
    )


def load_at_once(
    slots: Sequence[SlotState], waiting: Iterable[EngineState], now: float, rules: Rules
) -> PolicyDecision:
    """First come + LRU for a dispatcher that has drained whom it evicts: never wait."""
    absent = sorted((e for e in waiting if e.waiting and not e.resident), key=lambda e: e.oldest)
    [slot] = slots
    if not absent or slot.in_transition or not slot.up:
        return PolicyDecision(())
    leaving: list[Replica] = []
    missing = absent[0].memory_gb - slot.free_gb
    for replica in sorted((c for c in slot.replicas if c.idle), key=lambda c: c.last_used):
        if missing <= 0:
            break
        leaving.append(replica)
        missing -= replica.engine.memory_gb
    return PolicyDecision(
        (Transition(slot, tuple(leaving), absent[0], "first come"),) if missing <= 0 else ()
    )


async def _flood(
    client: httpx.AsyncClient,
    base_url: str,
    questions: Sequence[Question],
    lane: int,
    stop: asyncio.Event,
) -> list[Answer]:
    answers: list[Answer] = []
    while not stop.is_set():
        question = questions[(lane + len(answers)) % len(questions)]
        answers.append(await ask(client, base_url, question, stream=False))
    return answers


async def _first_token(url: str, expert: str, number: int) -> None:
    async with ExpertClient() as client:
        question = Question(f"start-{number}", expert, "Hello?", 1)
        answer = await ask(client, f"{url}/e/{expert}/v1", question)
    if answer.error is not None:
        raise ServiceError(f"Expert {expert} gave no first token: {answer.error}")


@asynccontextmanager
async def serving_copies(
    config: Config, progress: Progress, policy: Policy = decide
) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    """The service, which tells nothing of itself, and a client for it."""
    async with (
        serving(config, progress, policy=policy, tell=False) as service,
        ExpertClient() as client,
    ):
        yield service, client


async def loads_of(client: httpx.AsyncClient, service: Service) -> int:
    """How often it has loaded an expert."""
    state = (await client.get(f"{service.base_url}/coterie/pool")).json()
    return sum(entry["count"] for entry in state["loads"].values())


async def _run(
    name: str,
    client: httpx.AsyncClient,
    service: Service,
    answers: Sequence[Answer],
    seconds: float,
) -> BatchRun:
    loads = await loads_of(client, service)
    failures = sum(answer.error is not None for answer in answers)
    return BatchRun(name, len(answers), loads, seconds, failures)


def _seconds(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values) + " s"
