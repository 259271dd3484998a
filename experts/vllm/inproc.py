"""vLLM engine cores inside one process: all of them loaded and stepped by one thread.

vLLM keeps its forward context and its current configuration in module globals, so two engines of
one process must never load or step at the same time. `EngineThread` is the only thread that
touches engine cores; the event loop talks to it through a queue and never blocks.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import torch
from vllm.distributed import parallel_state
from vllm.v1.engine.core_client import EngineCoreClient, InprocClient

Result = TypeVar("Result")


class EngineThread:
    """Loads, steps and closes every engine core of the process, one at a time."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._clients: list[InprocEngineClient] = []
        threading.Thread(target=self._run, name="engines", daemon=True).start()

    def submit(self, function: Callable[[], Result]) -> "asyncio.Future[Result]":
        """Run `function` between two steps; await its result from the calling event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def settle(error: BaseException | None, result: Any) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            error, result = None, None
            try:
                result = function()
            except BaseException as caught:
                error = caught
            loop.call_soon_threadsafe(settle, error, result)

        self._work.put(work)
        return future

    def add(self, client: "InprocEngineClient") -> None:
        """Step `client` from now on. Called on the engine thread."""
        self._clients.append(client)

    def remove(self, client: "InprocEngineClient") -> None:
        """Step `client` no longer. Called on the engine thread."""
        if client in self._clients:
            self._clients.remove(client)

    def _run(self) -> None:
        while True:
            self._do_waiting_work()
            for client in tuple(self._clients):
                client.step()

    def _do_waiting_work(self) -> None:
        """Everything that waits; sleeps for more when no engine has a request."""
        idle = not any(client.busy for client in self._clients)
        try:
            work = self._work.get(block=idle)
            while True:
                work()
                work = self._work.get_nowait()
        except queue.Empty:
            pass


class InprocEngineClient(InprocClient):  # type: ignore[misc]
    """The engine core client that vLLM's AsyncLLM expects, over a core in this very process."""

    def __init__(
        self,
        vllm_config: Any,
        executor_class: Any,
        log_stats: bool,
        thread: EngineThread,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(vllm_config, executor_class, log_stats)
        self._thread = thread
        self._loop = loop
        self._outputs: asyncio.Queue[Any] = asyncio.Queue()
        self.engine_ranks_managed = [0]
        self.resources = _Resources()
        thread.add(self)

    @property
    def busy(self) -> bool:
        return bool(self.engine_core.scheduler.has_requests())

    def step(self) -> None:
        """One scheduler step; its outputs go to the event loop. An engine that raises is dead."""
        if not self.busy:
            return
        try:
            outputs: Any = self.get_output()
        except Exception as error:
            self._thread.remove(self)
            self.resources.engine_dead = True
            outputs = error
        if isinstance(outputs, Exception) or outputs.outputs or outputs.scheduler_stats:
            self._loop.call_soon_threadsafe(self._outputs.put_nowait, outputs)

    async def get_output_async(self) -> Any:
        outputs = await self._outputs.get()
        if isinstance(outputs, Exception):
            raise outputs
        return outputs

    async def add_request_async(self, request: Any) -> None:
        request.client_index = 0
        await self._thread.submit(lambda: self.add_request(request))

    async def abort_requests_async(self, request_ids: list[str]) -> None:
        if request_ids:
            await self._thread.submit(lambda: self.abort_requests(request_ids))

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
        every other engine here, and collects garbage three times. Call it on the engine thread.
        """
        self._thread.remove(self)
        if self._finalizer.detach() is None:
            return
        self.engine_core.structured_output_manager.clear_backend()
        runner = self.engine_core.model_executor.driver_worker.worker.model_runner
        runner._cleanup_profiling_kv_cache()
        runner.compilation_config.static_forward_context.clear()
        runner.model = None


class _Resources:
    """What AsyncLLM looks at to learn whether the engine has died."""

    engine_dead = False


def _on_engine_thread(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(self: InprocEngineClient, *args: Any, **kwargs: Any) -> Any:
        return await self._thread.submit(lambda: getattr(self, name)(*args, **kwargs))

    return call


# Every other asynchronous method (adapters, caches, rpc) runs its plain twin on the engine thread.
for _name in dir(EngineCoreClient):
    if _name.endswith("_async") and _name not in InprocEngineClient.__dict__:
        setattr(InprocEngineClient, _name, _on_engine_thread(_name.removesuffix("_async")))


def add_expert_group() -> None:
    """Make the process group that mixture-of-experts models need.

    vLLM makes its groups with the first engine of a process, this one only if that engine is a
    mixture of experts; a later one would fail. Call it on the engine thread, before a load.
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


def install(thread: EngineThread, loop: asyncio.AbstractEventLoop) -> None:
    """Make every AsyncLLM that is built on `thread` keep its engine core in this process."""

    def make_client(vllm_config: Any, executor_class: Any, log_stats: bool, **_: Any) -> Any:
        return InprocEngineClient(vllm_config, executor_class, log_stats, thread, loop)

    EngineCoreClient.make_async_mp_client = staticmethod(make_client)
