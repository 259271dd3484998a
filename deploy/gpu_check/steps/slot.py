"""A slot's worker without Ray: an expert loads, sleeps, wakes and leaves, and stays itself."""

from typing import Any

from deploy.gpu_check.engines import Engines, engines, sizes
from deploy.gpu_check.rig import ZOO, Failure, Found, Rig
from orchestrator.residency.canary import Canary

EXPERT = "generalist"
CANARY_TOKENS = 24
TIMEOUT_S = 60.0
KV_BYTES = 64 << 20


class Life:
    """What was done to an expert, how long it took, and what it answered after it."""

    def __init__(self, held: Engines, name: str) -> None:
        self.held = held
        self.name = name
        self.log: list[dict[str, Any]] = []
        self._canary = Canary(held.client, CANARY_TOKENS, TIMEOUT_S)
        self._first: str | None = None

    def note(self, what: str, seconds: float) -> None:
        """Something was done; the memory is the whole device's where there is one."""
        memory = round(self.held.worker.memory_gb(), 3)
        self.log.append({"what": what, "seconds": round(seconds, 3), "memory_gb": memory})
        print(f"{what}: {seconds:.2f} s, {memory} GB", flush=True)

    async def ask(self) -> bool:
        """Whether it still gives its first answer."""
        answer = await self._canary.ask(f"{self.held.url}/e/{self.name}", self.name, {})
        self._first = self._first or answer
        self.log[-1]["same_answer"] = answer == self._first
        return answer == self._first

    async def nap(self, level: int) -> bool:
        """Let it sleep and wake; whether it still gives its first answer."""
        self.note(f"sleep {level}", (await self.held.worker.sleep(self.name, level)).seconds)
        self.note(f"wake {level}", await self.held.worker.wake(self.name))
        return await self.ask()


async def run(rig: Rig) -> Found:
    """Let one expert live its whole life twice."""
    args = {**sizes(rig.cuda, KV_BYTES), "enforce_eager": True}
    args |= {"dtype": "bfloat16" if rig.cuda else "float32"}
    async with engines(rig.cuda, sleeps=rig.cuda) as held:
        life = Life(held, EXPERT)
        life.note("start", 0.0)
        changed = []
        for time in ("first", "second"):
            life.note(f"{time} load", await held.load(EXPERT, ZOO / EXPERT, args))
            if not await life.ask():
                changed.append(f"its {time} load")
            for level in (1, 2) if rig.cuda and time == "first" else ():
                if not await life.nap(level):
                    changed.append(f"sleep level {level}")
            life.note(f"{time} unload", (await held.worker.unload(EXPERT)).seconds)
    figures = {"log": life.log}
    if changed:
        raise Failure(f"another answer after {', '.join(changed)}", figures)
    done = "loaded, slept, woke and left" if rig.cuda else "loaded and left"
    return Found(f"{EXPERT} {done} twice with the same answers", figures)
