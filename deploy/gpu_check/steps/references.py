"""A composite in float32 and without graphs against its reference in PyTorch."""

from typing import Any

from deploy.gpu_check.agreement import EXACT, TENSOR_CORES, Tally, distance, regret
from deploy.gpu_check.composites import CHECKED, role_tokens
from deploy.gpu_check.engines import Engines, engines, exact, sizes, texts
from deploy.gpu_check.rig import Failure, Found, Rig

NAME = "composite"
PROMPTS = 4
KV_BYTES = 64 << 20


async def run(rig: Rig) -> Found:
    """Compare the distributions of next tokens, and every token of greedy answers."""
    checked = CHECKED[rig.argument]
    folder = rig.work / f"eager-{rig.argument}"
    checked.write(folder)
    reference = checked.reference(folder)
    tolerance = TENSOR_CORES if rig.cuda else EXACT
    nexts = Tally(tolerance.distance, tolerance.share)
    answers = Tally(tolerance.nats, tolerance.share)
    tokens = role_tokens(reference.composite)
    async with engines(rig.cuda) as held:
        await held.load(NAME, folder, {**sizes(rig.cuda, KV_BYTES), **exact(rig.cuda)})
        for role in checked.roles:
            for text in texts(PROMPTS):
                await _compare(held, reference, [tokens[role], *text], nexts, answers)
    figures = {"next_tokens": nexts.figures(), "answers": answers.figures()}
    if not (nexts.passed and answers.passed):
        raise Failure(
            f"{nexts.agreeing:.0%} of the distributions and {answers.agreeing:.0%} of the answers"
            " are the reference's",
            figures,
        )
    worst = nexts.figures()["worst"]
    return Found(
        f"{len(checked.roles) * PROMPTS} prompts in {len(checked.roles)} roles: probabilities"
        f" within {worst:.1g} of the reference, {answers.agreeing:.0%} of the answers its own",
        figures,
    )


async def _compare(
    held: Engines, reference: Any, prompt: list[int], nexts: Tally, answers: Tally
) -> None:
    found = await held.log_probs(NAME, prompt)
    nexts.add(distance(found, reference.logits(prompt)[-1].tolist()))
    answer = await held.follow(NAME, prompt)
    rows = reference.logits([*prompt, *answer])[len(prompt) - 1 : -1].tolist()
    answers.add(max(regret(row, token) for row, token in zip(rows, answer, strict=True)))
