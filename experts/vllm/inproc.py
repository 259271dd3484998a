"""vLLM engine cores inside one process, behind the client that its AsyncLLM expects."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import torch
from vllm.distributed import parallel_state
from vllm.utils.func_utils import _supports_kw
from vllm.v1.engine import core
from vllm.v1.engine.core_client import EngineCoreClient, InprocClient

from experts.vllm.turns.step_budget import StepBudget
from experts.vllm.turns.stepper import ARRIVAL, Stepper


class InprocEngineClient(InprocClient):  # type: ignore[misc]
    """The engine core client that vLLM's AsyncLLM expects, over a core in this very process."""

    def __init__(
        self,
        vllm_config: Any,
        executor_class: Any,
        log_stats: bool,
        stepper: Stepper,
        step_s: float,
    ) -> None:
        """`step_s`: how long a step should take at most."""
        super().__init__(vllm_config, executor_class, log_stats)
        self._stepper = stepper
        self._outputs: asyncio.Queue[Any] = asyncio.Queue()
        scheduler = self.engine_core.scheduler
        cuts = vllm_config.scheduler_config.enable_chunked_prefill
        uncut = 0 if cuts else vllm_config.model_config.max_model_len
        self._budget = StepBudget(step_s, scheduler.max_num_scheduled_tokens, uncut)
        self._scheduled = 0
        scheduler.schedule = self._counting(scheduler.schedule)
        self.engine_ranks_managed = [0]
        self.resources = _Resources()
        stepper.add(self)

    @property
    def busy(self) -> bool:
        return bool(self.engine_core.scheduler.has_requests())

    @property
    def hurried(self) -> bool:
        """By their priority: vLLM's default is 0, and what may come later has a larger one."""
        return any(one.priority <= 0 for one in self.engine_core.scheduler.requests.values())

    @property
    def requests(self) -> frozenset[str]:
        return frozenset(self.engine_core.scheduler.requests)

    def step(self) -> None:
        """One scheduler step; its outputs go to the event loop. An engine that raises is dead."""
        if not self.busy:
            return
        scheduler = self.engine_core.scheduler
        scheduler.max_num_scheduled_tokens = self._budget.tokens(len(scheduler.running))
        self._scheduled, started = 0, time.perf_counter()
        try:
            outputs: Any = self.get_output()
        except Exception as error:
            self._stepper.remove(self)
            self.resources.engine_dead = True
            outputs = error
        self._budget.measured(self._scheduled, time.perf_counter() - started)
        if isinstance(outputs, Exception) or outputs.outputs or outputs.scheduler_stats:
            self._outputs.put_nowait(outputs)

    def _counting(self, schedule: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            scheduled = schedule(*args)
            self._scheduled = scheduled.total_num_scheduled_tokens
            return scheduled

        return counted

    async def get_output_async(self) -> Any:
        outputs = await self._outputs.get()
        if isinstance(outputs, Exception):
            raise outputs
        return outputs

    async def add_request_async(self, request: Any) -> None:
        request.client_index = 0
        await self._stepper.call(lambda: self.add_request(request))
        if arrival := ARRIVAL.get():
            arrival.over()

    async def abort_requests_async(self, request_ids: list[str]) -> None:
        if request_ids:
            await self._stepper.call(lambda: self.abort_requests(request_ids))

    async def reset_mm_cache_async(self) -> None:
        """The experts are text models: there is nothing to reset."""

    async def is_sleeping_async(self) -> bool:
        return False

    async def is_scheduler_paused_async(self) -> bool:
        return False

    def start_engine_core_monitor(self) -> None:
        """There is no other process to watch."""

    def ensure_alive(self) -> None:
        """A core in this process lives as long as we do."""

    def shutdown(self, timeout: float | None = None) -> None:
        """Free this engine's weights and KV cache.

        vLLM's own shutdown also destroys the process-wide distributed groups, under the feet of
        every other engine here, and collects garbage three times. Call it while nothing steps.
        """
        self._stepper.remove(self)
        if self._finalizer.detach() is None:
            return
        self.engine_core.structured_output_manager.clear_backend()
        runner = self.engine_core.model_executor.driver_worker.worker.model_runner
        runner._cleanup_profiling_kv_cache()
        runner.compilation_config.static_forward_context.clear()
        runner.model = None
        # Its keys are methods of this engine's tokenizer, which it would keep alive.
        _supports_kw.cache_clear()


class _Resources:
    """What AsyncLLM looks at to learn whether the engine has died."""

    engine_dead = False


def _between_steps(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(self: InprocEngineClient, *args: Any, **kwargs: Any) -> Any:
        return await self._stepper.submit(lambda: getattr(self, name)(*args, **kwargs))

    return call


# Every other asynchronous method (adapters, caches, rpc) runs its plain twin while nothing steps.
for _name in dir(EngineCoreClient):
    if _name.endswith("_async") and _name not in InprocEngineClient.__dict__:
        setattr(InprocEngineClient, _name, _between_steps(_name.removesuffix("_async")))


def add_expert_group() -> None:
    """Make the process group that mixture-of-experts models need.

    vLLM makes its groups with the first engine of a process, this one only if that engine is a
    mixture of experts; a later one would fail. Call it before a load, while nothing steps.
    """
    if not parallel_state.model_parallel_is_initialized() or parallel_state._EP is not None:
        return
    world = parallel_state.get_world_group()
    parallel_state._EP = parallel_state.init_model_parallel_group(
        [[0]],
        world.local_rank,
        torch.distributed.get_backend(world.device_group),
        group_name="ep",
    )


def install(stepper: Stepper, step_s: float) -> None:
    """Make every AsyncLLM that is built from now on keep its engine core in this process.

    Its steps should take `step_s` seconds at most.
    """

    def make_client(vllm_config: Any, executor_class: Any, log_stats: bool, **_: Any) -> Any:
        return InprocEngineClient(vllm_config, executor_class, log_stats, stepper, step_s)

    EngineCoreClient.make_async_mp_client = staticmethod(make_client)
    # It would freeze every engine's objects, which then outlive the engine.
    core.freeze_gc_heap = _leave_the_heap_alone


def _leave_the_heap_alone() -> None:
    """The worker has frozen what was there before the first engine; that is enough."""
