"""The same calls at the engines' own ports, one engine after the other: the best order."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.client.ask import Question, ask
from evals.client.load import LoadClient, load_client
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from experts.errors import ServiceError
from experts.openai import ExpertClient
from orchestrator.config.model import Config
from orchestrator.service import Service


@dataclass(frozen=True, slots=True)
class Bare:
    """What the engines took without a gateway."""

    calls: int
    seconds: float
    """From the first load to the last answer."""


async def ask_engines(
    config: Config,
    calls: Mapping[str, Sequence[Question]],
    in_flight: int,
    progress: Progress,
) -> Bare:
    """Load each engine and send it its calls, `in_flight` at a time. Raises ServiceError."""
    hosted = config.hosted()
    # Experts that share an engine come one after the other: it is loaded once.
    order = sorted(calls, key=lambda name: (hosted[name].base or name, name))
    async with (
        serving(without_routers(config), progress, tell=False) as service,
        ExpertClient() as client,
        load_client() as load,
    ):
        started = time.perf_counter()
        for number, expert in enumerate(order, start=1):
            progress.doing(f"bare engines: {expert}", number, len(order))
            url = await _loaded(service, client, calls[expert][0])
            await _send(load, url, calls[expert], in_flight)
        return Bare(sum(map(len, calls.values())), time.perf_counter() - started)


async def _loaded(service: Service, client: ExpertClient, question: Question) -> str:
    """Only the gateway can load it; from then on it is asked without the gateway."""
    answer = await ask(client, f"{service.base_url}/v1", question, stream=False)
    url = service.expert_base_url(question.model)
    if answer.error is not None or url is None:
        raise ServiceError(f"{question.model} cannot be asked by itself: {answer.error}")
    return url


async def _send(load: LoadClient, url: str, calls: Sequence[Question], in_flight: int) -> None:
    bodies = [json.dumps(question.body) for question in calls]
    target = {"url": f"{url}/chat/completions", "bodies": bodies}
    await load.run({"targets": [target], "in_flight": in_flight, "requests": len(calls)})
