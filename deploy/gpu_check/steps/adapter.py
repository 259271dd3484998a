"""A LoRA expert beside its base, against the same weights merged in PyTorch."""

from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from deploy.gpu_check.agreement import EXACT, HALF, Tally, distance, regret
from deploy.gpu_check.engines import BOS, engines, sizes, texts
from deploy.gpu_check.rig import ZOO, Failure, Found, Rig

BASE, ADAPTER = "strings", "cipher"
PROMPTS = 6
LEAST_APART = 0.5
"""The distance of base and adapter where they differ most; 1 where they agree on nothing."""
KV_BYTES = 64 << 20


async def run(rig: Rig) -> Found:
    """Compare base and adapter, asked in turns, with their own references."""
    # The GPU's LoRA kernels take no float32.
    kind = {"dtype": "float16" if rig.cuda else "float32", "enforce_eager": True}
    tolerance = HALF if rig.cuda else EXACT
    nexts = Tally(tolerance.distance, tolerance.share)
    answers = Tally(tolerance.nats, tolerance.share)
    plain, merged = _load(), _load(ADAPTER)
    apart = 0.0
    async with engines(rig.cuda) as held:
        args = {**sizes(rig.cuda, KV_BYTES), **kind}
        await held.load(BASE, ZOO / BASE, args, {ADAPTER: str(ZOO / ADAPTER)})
        for text in texts(PROMPTS):
            prompt = [BOS, *text]
            for name, reference in ((BASE, plain), (ADAPTER, merged)):
                # Both are served under the base's address, by name.
                found = await held.log_probs(name, prompt)
                expected = _logits(reference, prompt)[-1]
                nexts.add(distance(found, expected.tolist()))
                answer = await held.follow(name, prompt)
                rows = _logits(reference, [*prompt, *answer])[len(prompt) - 1 : -1]
                scores = rows.log_softmax(-1).tolist()
                answers.add(max(map(regret, scores, answer)))
            both = [_logits(one, prompt)[-1].tolist() for one in (plain, merged)]
            apart = max(apart, distance(*both))
    figures = {"next_tokens": nexts.figures(), "answers": answers.figures(), "apart": apart}
    if not (nexts.passed and answers.passed):
        raise Failure(
            f"{nexts.agreeing:.0%} of the distributions and {answers.agreeing:.0%} of the answers"
            " are those of the merged weights",
            figures,
        )
    if apart < LEAST_APART:
        raise Failure("base and adapter hardly differ: the comparison says nothing", figures)
    return Found(f"{2 * PROMPTS} prompts in {kind['dtype']} as with merged weights", figures)


def _load(adapter: str | None = None) -> Any:
    model = AutoModelForCausalLM.from_pretrained(ZOO / BASE, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(ZOO / adapter)).merge_and_unload()
    return model.eval()


@torch.no_grad()
def _logits(model: Any, tokens: list[int]) -> Tensor:
    found: Tensor = model(torch.tensor([tokens])).logits[0]
    return found
