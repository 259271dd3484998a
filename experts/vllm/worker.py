"""The inside of a slot: resident vLLM experts, each served under /e/<expert>/ on one port."""

import asyncio
import ctypes
import gc
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import torch
import uvicorn
from prometheus_client import CollectorRegistry

from experts.vllm.versions import require_known_vllm

require_known_vllm()  # Before these, which import private parts that another version may lack.

from experts.vllm import adapter_math, inproc, lean_loads, seeds  # noqa: E402
from experts.vllm.counting import Page  # noqa: E402
from experts.vllm.device_memory import DeviceMemory, Nvml  # noqa: E402
from experts.vllm.dispatch import Dispatcher  # noqa: E402
from experts.vllm.hub import Hub, folder_of  # noqa: E402
from experts.vllm.launch import (  # noqa: E402
    add_adapters,
    build_application,
    build_engine,
    parse_engine_args,
    register_architectures,
    unservable,
)
from experts.vllm.loads import (  # noqa: E402
    EngineLoad,
    Limits,
    LoadReport,
    UnloadReport,
    WorkerSettings,
)
from experts.vllm.parsers.files import with_parsers  # noqa: E402
from experts.vllm.parsers.settle import settle_parsers  # noqa: E402
from experts.vllm.turns.giving_way import GivingWay  # noqa: E402
from experts.vllm.turns.stepper import Stepper  # noqa: E402

GIB = float(1 << 30)

DEFAULTS: dict[str, Any] = {
    # vLLM's own loggers of statistics write to the log, and to one registry per process, which
    # several engines would fight over: `counting.py` has another.
    "disable_log_stats": True,
}
CPU_DEFAULTS: dict[str, Any] = {
    # One process and no compiler: what suits small models on CPU cores.
    "enforce_eager": True,
    "distributed_executor_backend": "uni",
}


@dataclass(slots=True)
class _Resident:
    load: EngineLoad
    engine: Any
    app: Any
    report: LoadReport
    asked: EngineLoad
    """With the adapters that it has refused."""
    counts: CollectorRegistry | None = None
    """What it counts for Prometheus."""


class Worker:
    """Loads, serves and drops experts. One instance per process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._device = DeviceMemory(Nvml()) if settings.cuda else None
        self._cuda = settings.cuda
        self._sleeps = settings.sleeps
        self._hub = Hub(settings.hub_timeout_s)
        self._residents: dict[str, _Resident] = {}
        self._asleep: dict[str, tuple[_Resident, int]] = {}
        self._loading = asyncio.Lock()
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        if not self._cuda:
            lean_loads.import_early()
        # What is imported by now stays: later collections need not look at its million objects.
        gc.freeze()
        # Steps vLLM's engines on CPU only, engines in torch everywhere.
        self._stepper = Stepper(settings.gather_ms / 1000)
        self._giving_way = GivingWay(self._stepper.give_way)
        self._dispatcher = Dispatcher(
            nullcontext if self._cuda else self._stepper.expect, self._metrics
        )
        self._counts = settings.counts
        if not self._cuda:
            torch.set_num_threads(settings.threads)
            self._giving_way.install()
            adapter_math.install()
            inproc.install(self._stepper, settings.step_ms / 1000)
            seeds.install()
            lean_loads.install()

    async def serve(self, host: str, token: str | None = None) -> int:
        """Start the HTTP server, for requests with the token if there is one; returns its port."""
        if token is not None:
            self._dispatcher.protect(token)
        # With the protocol, or asyncio would not send small packets at once (TCP_NODELAY).
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, 0))
        config = uvicorn.Config(
            self._dispatcher,
            interface="asgi3",
            log_level="error",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=60,
        )
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        return int(listener.getsockname()[1])

    async def load(self, load: EngineLoad) -> LoadReport:
        """Make an engine resident; returns what it cost. Raises what vLLM raises."""
        async with self._loading:
            if (there := self._residents.get(load.expert)) is not None:
                return there.report  # A driver that lost patience asks again.
            started, before = time.perf_counter(), self.memory_gb()
            refused: dict[str, str] = {}
            counts = CollectorRegistry() if self._counts and load.kind == "vllm" else None
            if load.kind == "torch":
                engine, app = await self._load_torch(load)
            else:
                engine, app, refused = await self._load_vllm(load, counts)
            grown_gb = max(self.memory_gb() - before, 0.0)
            seconds = time.perf_counter() - started
            report = LoadReport(seconds, grown_gb, _limits(engine), refused)
            self._enter(_Resident(_without(load, refused), engine, app, report, load, counts))
            return report

    async def _load_vllm(
        self, load: EngineLoad, counts: CollectorRegistry | None
    ) -> tuple[Any, Any, dict[str, str]]:
        """The engine, its application, and the adapters that it refuses with the reason."""
        await asyncio.to_thread(self._hub.fetch_config, load.model)
        args = {**DEFAULTS, **self._own_defaults(load), **load.engine_args}
        args = await asyncio.to_thread(with_parsers, folder_of(load.model), args)
        refused = unservable(load.adapters)
        merged = _without(replace(load, engine_args=args), refused)
        engine, parsed = await self._build(merged, counts)
        async with self._all_or_nothing(engine):
            settle_parsers(parsed, engine, load.engine_args)
            app = await build_application(engine, parsed)
            refused |= await add_adapters(app, merged.adapters)
            return engine, app, refused

    def _own_defaults(self, load: EngineLoad) -> dict[str, Any]:
        if self._device is None:
            return CPU_DEFAULTS
        # The size of its KV cache is given: of the share, vLLM only checks that it is free.
        share = self._device.share_of(load.memory_gb)
        return {"enable_sleep_mode": self._sleeps, "gpu_memory_utilization": share}

    async def _load_torch(self, load: EngineLoad) -> tuple[Any, Any]:
        # Imported here: most slots never need it.
        engines = import_module("experts.fused.torch_engine.engine")
        api = import_module("experts.fused.torch_engine.api")
        engine = await self._exclusively(
            lambda: engines.TorchEngine(Path(load.model), self._stepper, **load.engine_args)
        )
        return engine, api.application(load.expert, engine)

    def _enter(self, resident: _Resident) -> None:
        self._residents[resident.load.expert] = resident
        core = getattr(resident.engine, "engine_core", resident.engine)
        worked = None
        if self._stepper.steps(core):
            worked = partial(self._stepper.worked_s, core)
            self._stepper.welcome(core)
        self._dispatcher.add(resident.load.experts, resident.app, worked)

    async def unload(self, expert: str) -> UnloadReport:
        """Drop an engine, awake or asleep. Requests that it still has are aborted."""
        async with self._loading:
            started, before = time.perf_counter(), self.memory_gb()
            asleep, _ = self._asleep.pop(expert, (None, 0))
            resident = self._residents.pop(expert, asleep)
            if resident is None:  # An earlier call took too long, and did it in the end.
                return UnloadReport(0.0, None, before)
            await self._dispatcher.remove(resident.load.experts)
            await self._exclusively(resident.engine.shutdown)
            del resident, asleep
            await self._exclusively(_give_back_memory)
            return self._report(started, before)

    def hasten(self, expert: str) -> None:
        """Let an engine that leaves finish what it has before others do what may come later."""
        if (resident := self._residents.get(expert)) is None:
            return
        core = getattr(resident.engine, "engine_core", resident.engine)
        if self._stepper.steps(core):
            self._stepper.hasten(core)

    async def sleep(self, expert: str, level: int) -> UnloadReport:
        """Free the device's memory but keep the engine. CUDA only.

        Level 1 keeps the weights in host memory, level 2 reads them from disk again.
        """
        async with self._loading:
            started, before = time.perf_counter(), self.memory_gb()
            if expert in self._asleep:
                return UnloadReport(0.0, None, before)
            resident = self._residents.pop(expert)
            await self._dispatcher.remove(resident.load.experts)
            async with self._all_or_nothing(resident.engine):
                await resident.engine.sleep(level)
            self._asleep[expert] = (resident, level)
            return self._report(started, before)

    def _report(self, started: float, before_gb: float) -> UnloadReport:
        seconds, memory_gb = time.perf_counter() - started, self.memory_gb()
        return UnloadReport(seconds, before_gb - memory_gb, memory_gb)

    async def wake(self, expert: str) -> float:
        """Make an engine that sleeps resident again; returns seconds."""
        async with self._loading:
            if expert in self._residents:  # A driver that lost patience asks again.
                return 0.0
            started = time.perf_counter()
            resident, level = self._asleep.pop(expert)
            async with self._all_or_nothing(resident.engine):
                await resident.engine.wake_up(["weights"])
                if level == 2:
                    await resident.engine.collective_rpc("reload_weights")
                await resident.engine.wake_up(["kv_cache"])
                await resident.engine.reset_prefix_cache()
            self._enter(resident)
            return time.perf_counter() - started

    @property
    def residents(self) -> dict[str, tuple[str, ...]]:
        """Engine -> the experts it answers for."""
        return {name: resident.load.experts for name, resident in self._residents.items()}

    async def held(self) -> dict[str, tuple[EngineLoad, LoadReport]]:
        """The engines that are awake, once nothing is under way; those that sleep are dropped."""
        for name in tuple(self._asleep):
            await self.unload(name)
        async with self._loading:
            return {name: (one.asked, one.report) for name, one in self._residents.items()}

    def running(self) -> dict[str, int]:
        """Requests under way in each engine."""
        return {
            name: resident.engine.get_num_unfinished_requests()
            for name, resident in self._residents.items()
        }

    async def _metrics(self) -> bytes:
        """What the engines count, asleep or awake, as Prometheus reads it."""
        asleep = [resident for resident, _ in self._asleep.values()]
        every = [*self._residents.values(), *asleep]
        counts = {one.load.expert: one.counts for one in every if one.counts is not None}
        # In a thread: there are some hundred lines for each engine.
        return await asyncio.to_thread(Page(counts).text)

    def memory_gb(self) -> float:
        """Resident memory of this process in GiB (what its engines hold of a GPU)."""
        return _rss_gb() if self._device is None else self._device.used_gb()

    @asynccontextmanager
    async def _all_or_nothing(self, engine: Any) -> AsyncIterator[None]:
        """Shut an engine down that is only half built, asleep or awake."""
        try:
            yield
        except BaseException:
            await self._exclusively(engine.shutdown)
            raise

    async def _build(self, load: EngineLoad, counts: CollectorRegistry | None) -> tuple[Any, Any]:
        args = parse_engine_args(load)

        if not self._cuda:
            # Imports the model's code, for which nobody needs to stand still.
            await asyncio.to_thread(register_architectures, load.model)

        def build() -> Any:
            if not self._cuda:
                inproc.add_expert_group()
            with self._giving_way.loading():
                return build_engine(args, counts)

        return await self._exclusively(build), args

    async def _exclusively(self, function: Callable[[], Any]) -> Any:
        """Run what blocks in a thread; on CPU, no engine of this process steps meanwhile."""
        if self._cuda:
            return await asyncio.to_thread(function)
        return await self._stepper.submit(function)


def _without(load: EngineLoad, refused: Mapping[str, str]) -> EngineLoad:
    """The load without some of its adapters."""
    kept = {name: folder for name, folder in load.adapters.items() if name not in refused}
    return replace(load, adapters=kept)


def _limits(engine: Any) -> Limits | None:
    """What vLLM has made of the arguments; our torch engine has no such limits."""
    config = getattr(engine, "vllm_config", None)
    if config is None:
        return None
    cache = config.cache_config
    tokens = (cache.num_gpu_blocks or 0) * cache.block_size
    dtype = str(config.model_config.dtype).removeprefix("torch.")
    return Limits(dtype, int(config.model_config.max_model_len), int(tokens))


def _give_back_memory() -> None:
    """Collect the engine's cycles, and hand free pages back to the system (glibc keeps them)."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _rss_gb() -> float:
    return float(psutil.Process().memory_info().rss) / GIB
