"""Engines go on answering while another one loads in their process.

A load takes seconds, and vLLM keeps what it does meanwhile in module globals, so no other engine
may step. But a load is made of many small parts: a layer built, a tensor read, a layer's weights
packed. Between two of them, its thread sets vLLM's globals aside, lets every engine step once of
whose requests somebody waits for one, and goes on (`pace.py`).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import get_ident
from typing import Any

import torch
from vllm import forward_context
from vllm.config import vllm as config_state
from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

from experts.vllm.turns.pace import Pace

PARTS: tuple[tuple[type, str], ...] = (
    (LinearBase, "__init__"),
    (UnquantizedLinearMethod, "process_weights_after_loading"),
)
"""What is called often while a model is built, and its weights packed."""


class GivingWay:
    """Tells a load when it is time to let others step."""

    def __init__(self, others_step: Callable[[], None]) -> None:
        """`others_step` returns when every other engine that is waited for has made a step."""
        self._others_step = others_step
        self._thread: int | None = None
        self._pace = Pace()

    @contextmanager
    def loading(self) -> Iterator[None]:
        """What runs inside, in this thread, gives way to others."""
        self._thread = get_ident()
        self._pace.begins(time.monotonic())
        try:
            yield
        finally:
            self._thread = None

    def now(self) -> None:
        """Let the others step, unless it is too early for it; does nothing outside a load."""
        began = time.monotonic()
        if get_ident() != self._thread or not self._pace.allows(began):
            return
        with _set_aside():
            self._others_step()
        self._pace.took(began, time.monotonic())

    def install(self) -> None:
        """Call `now` between the parts of every load from now on."""
        for owner, name in PARTS:
            setattr(owner, name, self._before(getattr(owner, name)))
        read_all = _own(DefaultModelLoader.get_all_weights)

        @wraps(read_all)
        def get_all_weights(*args: Any) -> Iterator[Any]:
            for weight in read_all(*args):
                self.now()
                yield weight

        DefaultModelLoader.get_all_weights = get_all_weights

    def _before(self, part: Callable[..., Any]) -> Callable[..., Any]:
        part = _own(part)

        @wraps(part)
        def after_others(*args: Any, **named: Any) -> Any:
            self.now()
            return part(*args, **named)

        return after_others


def _own(part: Callable[..., Any]) -> Callable[..., Any]:
    """VLLM's own, where another worker of this process has wrapped it."""
    own: Callable[..., Any] = getattr(part, "__wrapped__", part)
    return own


@contextmanager
def _set_aside() -> Iterator[None]:
    """The process-wide state of a load is put away: the others find what they left."""
    dtype = torch.get_default_dtype()
    config, prefix = config_state._current_vllm_config, config_state._current_prefix
    context = forward_context._forward_context
    torch.set_default_dtype(torch.float32)
    config_state._current_vllm_config = config_state._current_prefix = None
    forward_context._forward_context = None
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        config_state._current_vllm_config, config_state._current_prefix = config, prefix
        forward_context._forward_context = context
