"""Part of the profile run: who puts answers together best (Symbolic-MoE, section 3.3).

Every expert gets, for each probe question, one right and two wrong answers of the others, shuffled,
in the prompt of the aggregator; what it makes of them is scored as an answer to the question.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import httpx

from evals.client.ask import Answer, Question, ask_many
from evals.client.progress import Progress
from evals.fitting.probes import Probe
from routers.outcomes import OutcomeTable
from routers.symbolic_moe.leads import Leads

IN_FLIGHT = 32
WRONG = 2
RIGHT_FROM = 0.5

Prompt = Callable[[str, Sequence[str]], str]
"""Question and answers to what an aggregator asks."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """A probe question with answers of which one is right."""

    probe: Probe
    answers: tuple[str, ...]


def mix(table: OutcomeTable, probes: Sequence[Probe], seed: int = 0) -> list[Mixed]:
    """One right and up to two different wrong answers for each probe that got both kinds."""
    answered: dict[str, dict[str, float]] = {}
    for row in table.rows.select(["query_id", "text", "score"]).to_pylist():
        answered.setdefault(row["query_id"], {})[row["text"]] = row["score"]
    found = []
    for probe in probes:
        texts = sorted(answered.get(probe.sample.id, {}).items())
        right = [text for text, score in texts if score >= RIGHT_FROM]
        wrong = [text for text, score in texts if score < RIGHT_FROM and text.strip()]
        if not right or not wrong:
            continue
        random = Random(f"{seed}:{probe.sample.id}")
        answers = [random.choice(right), *random.sample(wrong, min(WRONG, len(wrong)))]
        random.shuffle(answers)
        found.append(Mixed(probe, tuple(answers)))
    return found


async def probe_leads(
    client: httpx.AsyncClient,
    base_url: str,
    mixed: Sequence[Mixed],
    prompt: Prompt,
    versions: Mapping[str, str],
    before: Leads,
    progress: Progress,
) -> tuple[Leads, list[Answer]]:
    """Ask every expert of `versions` that `before` does not know; also returns failed calls.

    Other questions, answers or prompts, and other versions of an expert, are asked anew.
    """
    prompts = [prompt(one.probe.sample.question, one.answers) for one in mixed]
    told = hashlib.sha256("\0".join(prompts).encode()).hexdigest()
    same = before.prompt == told
    known = {e: v for e, v in before.versions.items() if same and versions.get(e) == v}
    tasks = {task: _only(counted, known) for task, counted in before.tasks.items() if same}
    failed: list[Answer] = []
    for expert, version in versions.items():
        if expert in known:
            continue
        text = f"asking {expert} to put answers together"
        questions = [
            Question(one.probe.sample.id, expert, text, one.probe.task.spec.max_tokens)
            for one, text in zip(mixed, prompts, strict=True)
        ]
        answers = await ask_many(
            client,
            f"{base_url}/v1",
            questions,
            in_flight=IN_FLIGHT,
            stream=False,
            on_answer=progress.counting(text, len(questions), "sets"),
        )
        if lost := [answer for answer in answers if answer.error is not None]:
            failed += lost
            continue  # Half of the answers would compare different questions.
        for one, answer in zip(mixed, answers, strict=True):
            counted = tasks.setdefault(one.probe.task.name, {})
            right, asked = counted.get(expert, (0, 0))
            score = one.probe.task.score(one.probe.sample, answer.text)
            counted[expert] = (right + (score >= RIGHT_FROM), asked + 1)
        known[expert] = version
        progress.say(f"{expert} has put {len(mixed)} sets of answers together")
    return Leads(known, told, tasks), failed


def _only(
    counted: Mapping[str, tuple[int, int]], experts: Mapping[str, str]
) -> dict[str, tuple[int, int]]:
    return {expert: pair for expert, pair in counted.items() if expert in experts}
