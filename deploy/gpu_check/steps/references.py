"""A composite in float32 and without graphs against its reference in PyTorch."""

from dataclasses import dataclass
from typing import Any

from deploy.gpu_check.agreement import (
    EXACT,
    TENSOR_CORES,
    Tally,
    distance,
    first_difference,
    regret,
)
from deploy.gpu_check.composites import CHECKED, role_tokens
from deploy.gpu_check.engines import ANSWER, Engines, engines, exact, sizes, texts
from deploy.gpu_check.rig import Failure, Found, Rig

NAME = "composite"
PROMPTS = 4
KV_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reference says to a prompt."""

    prompt: list[int]
    answer: list[int]
    rows: list[list[float]]
    """Its logits before each token of the answer."""


async def run(rig: Rig) -> Found:
    """Compare the distributions of next tokens, and greedy answers up to where they part."""
    checked = CHECKED[rig.argument]
    folder = rig.work / f"eager-{rig.argument}"
    checked.write(folder)
    reference = checked.reference(folder)
    tokens = role_tokens(reference.composite)
    prompts = [[tokens[role], *text] for role in checked.roles for text in texts(PROMPTS)]
    # All of it first: where the engine is in this process, it changes classes of transformers.
    expected = [_expect(reference, prompt) for prompt in prompts]
    tolerance = TENSOR_CORES if rig.cuda else EXACT
    nexts = Tally(tolerance.distance, tolerance.share)
    answers = Tally(tolerance.nats, tolerance.share)
    async with engines(rig.cuda) as held:
        await held.load(NAME, folder, {**sizes(rig.cuda, KV_BYTES), **exact(rig.cuda)})
        for one in expected:
            await _compare(held, one, nexts, answers)
    figures = {"next_tokens": nexts.figures(), "answers": answers.figures()}
    if not (nexts.passed and answers.passed):
        raise Failure(
            f"{nexts.agreeing:.0%} of the distributions and {answers.agreeing:.0%} of the answers"
            " are the reference's",
            figures,
        )
    worst = nexts.figures()["worst"]
    return Found(
        f"{len(prompts)} prompts in {len(checked.roles)} roles: probabilities"
        f" within {worst:.1g} of the reference, {answers.agreeing:.0%} of the answers its own",
        figures,
    )


def _expect(reference: Any, prompt: list[int]) -> Expected:
    answer: list[int] = reference.greedy(prompt, ANSWER)
    rows = reference.logits([*prompt, *answer])[len(prompt) - 1 : -1]
    return Expected(prompt, answer, rows.tolist())


async def _compare(held: Engines, expected: Expected, nexts: Tally, answers: Tally) -> None:
    found = await held.log_probs(NAME, expected.prompt)
    nexts.add(distance(found, expected.rows[0]))
    answer = await held.follow(NAME, expected.prompt)
    place = first_difference(expected.answer, answer)
    answers.add(0.0 if place is None else regret(expected.rows[place], answer[place]))
