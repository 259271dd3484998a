"""A mixture of experts through sleep level 2, which reads its weights from disk again."""

from deploy.gpu_check.engines import engines, sizes
from deploy.gpu_check.rig import ZOO, Failure, Found, Rig
from deploy.gpu_check.steps.slot import KV_BYTES, Life

EXPERT = "duo"


async def run(rig: Rig) -> Found:
    """Sleep at level 1, at level 2, and be loaded afresh: the last must bring the answer back."""
    args = {**sizes(rig.cuda, KV_BYTES), "enforce_eager": True, "dtype": "bfloat16"}
    async with engines(rig.cuda, sleeps=True) as held:
        life = Life(held, EXPERT)
        life.note("load", await held.load(EXPERT, ZOO / EXPERT, args))
        await life.ask()
        light = await life.nap(1)
        deep = await life.nap(2)
        life.note("unload", (await held.worker.unload(EXPERT)).seconds)
        life.note("second load", await held.load(EXPERT, ZOO / EXPERT, args))
        afresh = await life.ask()
    figures = {"log": life.log, "level_1_keeps_answers": light, "level_2_keeps_answers": deep}
    if not light or not afresh:
        raise Failure(
            f"another answer after {'sleep level 1' if afresh else 'a new load'}", figures
        )
    if deep:
        return Found("the same answers after sleep levels 1 and 2", figures)
    return Found("level 2 changes its answers, level 1 does not: let mixtures sleep at 1", figures)
