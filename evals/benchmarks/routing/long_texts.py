"""Questions inside long texts that have nothing to do with them, read by several rules."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evals.benchmarks.routing.conversations import Shares, chosen
from evals.client.progress import Progress
from evals.tasks.task import find_tasks
from experts.errors import ConfigError
from experts.types import Request
from orchestrator.cli.router_fitting import fittable
from orchestrator.config.model import Config
from routers.base import Encoder, TokenEncoder
from routers.encoders.long_texts import MOST_TOKENS
from routers.encoders.windows import framed, means, windows
from routers.features import MiniLMEncoder
from routers.registry import build

START, MIDDLE, END = PLACES = ("start", "middle", "end")
FIRST, MEAN, SERVED = RULES = ("first window", "mean of the windows", "as served")
OF_A_TASK = 4
"""Questions of each task: a long text takes a quarter of a second."""

CONTEXT = (
    "The committee met on a rainy morning and went through the minutes of the spring meeting.",
    "Nobody objected to the new paint of the hallway, although the colour had not been announced.",
    "The caretaker reports that the boiler has been serviced and that the cellar is dry again.",
    "Residents are asked to leave bicycles in the yard and not on the stairs.",
    "A letter of thanks went to the volunteers who cleared the garden after the storm.",
    "The treasurer explained the budget and promised a written summary before the summer.",
    "Several members praised the concert of the choir and hoped for another one in winter.",
    "The contract with the cleaning company is extended on the same terms.",
    "It was agreed that the old lamps will be replaced one floor after another.",
    "The library in the common room is open to everybody who puts the books back.",
    "Dogs are welcome as long as their owners keep an eye on them.",
    "The chair closed the meeting with thanks to all who had come.",
)
"""Said twice, and so some 400 tokens."""


class Plain:
    """An encoder that reads a text as far as its model does, or the mean of all its windows."""

    def __init__(self, encoder: TokenEncoder, mean: bool) -> None:
        self._encoder = encoder
        self._mean = mean
        self.name = encoder.name
        self.dimension = encoder.dimension

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), dimension], rows of length one."""
        if not self._mean:
            return self._encoder.encode(texts)
        frame, window = self._encoder.frame, self._encoder.window
        ids = [self._encoder.token_ids(text, MOST_TOKENS) for text in texts]
        parts = [windows(framed(one, frame), window, frame) for one in ids]
        return np.array(
            means(self._encoder.encode_ids([one for own in parts for one in own]), parts)
        )


def measure(settings: Config, names: Sequence[str], progress: Progress) -> list[Shares]:
    """Route the texts by every rule, with every fitted router. Raises ConfigError."""
    routers, experts = fittable(settings), tuple(settings.experts)
    asked = [
        (sample.question, owner)
        for task in find_tasks(names)
        if (owner := task.owner(experts))
        for sample in list(task.samples("test"))[:OF_A_TASK]
    ]
    if not routers or not asked:
        raise ConfigError("There is no fitted router, or no task that is one of its experts' own.")
    ours = MiniLMEncoder()
    encoders: Mapping[str, Encoder] = {
        FIRST: Plain(ours, mean=False),
        MEAN: Plain(ours, mean=True),
        SERVED: ours,
    }
    found = []
    for number, name in enumerate(routers):
        for place, (rule, encoder) in enumerate(encoders.items()):
            done = number * len(RULES) + place
            progress.doing(f"{name}, long texts: {rule}", done, len(routers) * len(RULES))
            router = build(name, settings.routers[name], experts, _making(encoder))
            shares = {}
            for where in PLACES:
                texts = [_request(number, within(q, where)) for number, (q, _) in enumerate(asked)]
                decisions = zip(router.route(texts), asked, strict=True)
                shares[where] = float(np.mean([chosen(d) == owner for d, (_, owner) in decisions]))
            found.append(Shares(name, rule, shares))
    return found


def within(question: str, place: str) -> str:
    """A long text with the question at its start, middle or end."""
    context = [*CONTEXT, *CONTEXT]
    at = {START: 0, MIDDLE: len(context) // 2, END: len(context)}[place]
    return "\n".join([*context[:at], question, *context[at:]])


def _making(encoder: Encoder) -> Callable[[], Encoder]:
    return lambda: encoder


def _request(number: int, text: str) -> Request:
    return Request(str(number), "completions", {"prompt": text})
