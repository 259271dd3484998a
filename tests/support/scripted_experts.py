"""An OpenAI-compatible server whose models answer by rule, and count what they are asked."""

import asyncio
import hashlib
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class ScriptedExperts:
    """Each model has a skill: it answers `SKILL NUMBER?` with `SKILL NUMBER`, others with noise.

    Sampled answers depend on the seed. Log-probabilities tell how sure it is: 0.9 of its own
    questions, 0.2 of others. `refuse` may return a status for a request, in place of an answer;
    `says` may return another text.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.refuse: Callable[[dict[str, Any]], int | None] = lambda body: None
        self.says: Callable[[dict[str, Any]], str | None] = lambda body: None
        self._count = asyncio.Condition()

    @property
    def times(self) -> Counter[str]:
        """Each distinct request, with how often it came."""
        return Counter(json.dumps(body, sort_keys=True) for body in self.bodies)

    async def reached(self, count: int) -> None:
        """Wait for that many requests."""
        async with self._count:
            await self._count.wait_for(lambda: len(self.bodies) >= count)

    async def answer(self, http: web.Request) -> web.Response:
        """One chat completion."""
        body = await http.json()
        model, question = body["model"], body["messages"][-1]["content"]
        self.asked.append((model, question))
        self.bodies.append(body)
        async with self._count:
            self._count.notify_all()
        if (status := self.refuse(body)) is not None:
            error = {"error": {"message": f"status {status}", "code": "scripted"}}
            return web.json_response(error, status=status)
        own = question.startswith(f"{model} ")
        noise = hashlib.sha256(f"{model} {question} {body.get('seed')}".encode()).hexdigest()[:4]
        text = question.rstrip("?") if own else f"{model} guesses {noise}"
        text = text if (other := self.says(body)) is None else other
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        if body.get("logprobs"):
            sure = math.log(0.9 if own else 0.2)
            words = [{"token": word, "logprob": sure} for word in text.split()]
            choice["logprobs"] = {"content": words}
        usage = {"prompt_tokens": len(question.split()), "completion_tokens": len(text.split())}
        return web.json_response({"choices": [choice], "usage": usage})


@asynccontextmanager
async def scripted_experts() -> AsyncIterator[ScriptedExperts]:
    """A running server; `base_url` ends with /v1."""
    experts = ScriptedExperts()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", experts.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    experts.base_url = "http://{}:{}/v1".format(*runner.addresses[0][:2])
    try:
        yield experts
    finally:
        await runner.cleanup()
