"""A composite with compiler and CUDA graphs, requests of all roles at once and too little memory.

It must answer as it does eagerly with one request at a time.
"""

import asyncio
from random import Random
from typing import Any

from deploy.gpu_check.agreement import EXACT, HALF, Tally, first_difference
from deploy.gpu_check.composites import CHECKED, role_tokens
from deploy.gpu_check.engines import Engines, engines, exact, sizes, texts
from deploy.gpu_check.rig import Failure, Found, Rig
from experts.fused.folder.folder_config import read

EAGER, TIGHT = "eager", "tight"
KV_BYTES = 64 << 20
LONG = (250, 251)
"""Tokens of the prompts of which few fit at a time."""
BLOCK_TOKENS = {"cuda": 16, "cpu": 128}
POOL_TOKENS = 1024
"""Of the KV cache: room for about three long requests of five."""
REPEATED = 4
PREEMPTED: list[str] = []
"""The requests that were preempted in this process."""


async def run(rig: Rig) -> Found:
    """Ask both engines the same, and look where the answers part."""
    checked = CHECKED[rig.argument]
    folder = rig.work / f"graphs-{rig.argument}"
    checked.write(folder)
    tokens = role_tokens(read(folder))
    bodies = texts(2) + texts(2, seed=1, length=LONG)
    prompts = [[tokens[role], *body] for role in checked.roles for body in bodies]
    tolerance = HALF if rig.cuda else EXACT
    tally = Tally(tolerance.nats, tolerance.share)
    async with engines(rig.cuda) as held:
        if not rig.cuda:
            _count_preemptions()
        await held.load(EAGER, folder, _eager(rig))
        load_s = await held.load(TIGHT, folder, _tight(rig), counts=True)
        alone = [await held.follow(EAGER, prompt) for prompt in prompts]
        order = Random(0).sample(range(len(prompts)), len(prompts))
        mixed = await asyncio.gather(*(held.follow(TIGHT, prompts[i]) for i in order))
        for i, answer in zip(order, mixed, strict=True):
            tally.add(await _parting(held, prompts[i], alone[i], answer))
        cached = await _repeat(held, prompts, alone, tally)
        preempted = await _preemptions(rig, held)
    figures = {"answers": tally.figures(), "cached_tokens": cached, "preemptions": preempted,
               "load_s": round(load_s, 1), "graphs": rig.cuda}  # fmt: skip
    if not tally.passed:
        raise Failure(f"only {tally.agreeing:.0%} of the answers are the eager ones", figures)
    if not cached:
        raise Failure("no prompt was found in the prefix cache", figures)
    how = "compiled, in graphs" if rig.cuda else "no compiler and no graphs on the CPU"
    return Found(
        f"{tally.agreeing:.0%} of {len(prompts)} answers are the eager ones ({how};"
        f" {'?' if preempted is None else preempted} preemptions, {cached} tokens from the prefix"
        " cache)",
        figures,
    )


def _count_preemptions() -> None:
    """Count them in this process, where the CPU's engines run: those keep no statistics."""
    from vllm.v1.core.sched.scheduler import Scheduler  # noqa: PLC0415

    preempt = Scheduler._preempt_request

    def counted(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        PREEMPTED.append(request.request_id)
        return preempt(self, request, *args, **kwargs)

    Scheduler._preempt_request = counted


async def _preemptions(rig: Rig, held: Engines) -> int | None:
    """How often a request had to give up its memory, where that was counted."""
    if not rig.cuda:
        return len(PREEMPTED)
    found = await held.metric(TIGHT, "vllm:num_preemptions_total")
    return None if found is None else int(found)


def _eager(rig: Rig) -> dict[str, Any]:
    kind = {"dtype": "bfloat16", "enforce_eager": True} if rig.cuda else exact(False)
    return {**sizes(rig.cuda, KV_BYTES), **kind}


def _tight(rig: Rig) -> dict[str, Any]:
    few = {
        "max_num_seqs": 5,
        "max_num_batched_tokens": 64,
        "num_gpu_blocks_override": POOL_TOKENS // BLOCK_TOKENS[rig.device],
        "enable_prompt_tokens_details": True,
    }
    if not rig.cuda:
        return {**_eager(rig), **few}
    return {
        **sizes(True, KV_BYTES),
        "dtype": "bfloat16",
        "block_size": BLOCK_TOKENS["cuda"],
        **few,
    }


async def _parting(held: Engines, prompt: list[int], eager: list[int], other: list[int]) -> float:
    """How much better the eager token is where two answers part; 0 where they do not."""
    place = first_difference(eager, other)
    if place is None:
        return 0.0
    scores = await held.log_probs(EAGER, [*prompt, *eager[:place]])
    return abs(scores[eager[place]] - scores[other[place]])


async def _repeat(
    held: Engines, prompts: list[list[int]], alone: list[list[int]], tally: Tally
) -> int:
    """Ask the last prompts again, one by one; returns the tokens that came from the cache."""
    cached = 0
    for prompt, answer in list(zip(prompts, alone, strict=True))[-REPEATED:]:
        await held.follow(TIGHT, prompt)
        again = await held.complete(TIGHT, prompt)
        tally.add(await _parting(held, prompt, answer, again["choices"][0]["token_ids"]))
        details = again["usage"].get("prompt_tokens_details") or {}
        cached += details.get("cached_tokens") or 0
    return cached
