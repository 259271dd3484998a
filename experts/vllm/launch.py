"""One expert's vLLM engine with vLLM's own OpenAI application on top."""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.entrypoints.serve.engine.protocol import ErrorResponse
from vllm.entrypoints.serve.lora.protocol import LoadLoRAAdapterRequest
from vllm.entrypoints.serve.tokenize import api_router as tokenize_routes
from vllm.model_executor.models import ModelRegistry
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.async_llm import AsyncLLM

from experts.footprint.adapter_rank import HIGHEST, adapter_faults, adapter_rank
from experts.vllm.counting import counting_into
from experts.vllm.dispatch import ASKED_MODEL
from experts.vllm.loads import EngineLoad

RANKS = (8, 16, 32, 64, 128, 256, 320, HIGHEST)
"""What vLLM accepts as an upper bound of adapters' ranks."""


def parse_engine_args(load: EngineLoad) -> Namespace:
    """Parse the arguments as `vllm serve` would.

    Raises ValueError with vLLM's message for an argument that it does not know.
    """
    words = ["--model", load.model, "--served-model-name", load.expert, *load.aliases]
    words += ["--enable-tokenizer-info-endpoint", "--disable-uvicorn-access-log"]
    for name, value in {**_adapter_args(load), **load.engine_args}.items():
        words += _as_words(name, value)
    args: Namespace = _parser().parse_args(words)
    return args


class _Parser(FlexibleArgumentParser):  # type: ignore[misc]
    def error(self, message: str) -> None:
        raise ValueError(message)


@cache
def _parser() -> Any:
    return make_arg_parser(_Parser())


def _as_words(name: str, value: Any) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        no = flag.replace("--", "--no-", 1)
        # What has no opposite is off when it is not given.
        return [flag] if value else [no] if no in _parser()._option_string_actions else []
    if isinstance(value, Mapping):
        return [flag, json.dumps(value)]
    if isinstance(value, list | tuple):
        return [flag, *map(str, value)]
    return [flag, str(value)]


def _adapter_args(load: EngineLoad) -> dict[str, Any]:
    if not load.adapters:
        return {}
    highest = max(adapter_rank(Path(folder)) or 1 for folder in load.adapters.values())
    rank = next(bound for bound in RANKS if bound >= highest)
    # One slot more than adapters: vLLM's CPU kernels read the weights of a request without an
    # adapter from slot -1, the last one, which must therefore stay empty (docs/log.md).
    slots = len(load.adapters) + 1
    return {
        "enable_lora": True,
        "max_lora_rank": rank,
        "max_loras": slots,
    }


def unservable(adapters: Mapping[str, str]) -> dict[str, str]:
    """The adapters that no engine can serve, each with the reason."""
    refused = {}
    for name, folder in adapters.items():
        faults = list(adapter_faults(Path(folder)))
        rank = adapter_rank(Path(folder))
        if faults:
            refused[name] = faults[0]
        elif rank is None or rank > HIGHEST:
            refused[name] = f"{folder}/adapter_config.json names no rank `r` from 1 to {HIGHEST}."
    return refused


async def add_adapters(app: Any, adapters: Mapping[str, str]) -> dict[str, str]:
    """Load adapters into an engine that runs; returns those that it refuses, with the reason.

    vLLM's own way, `lora_modules`, ends the engine with the first of them.
    """
    models = app.state.openai_serving_models
    refused = {}
    for name, folder in adapters.items():
        request = LoadLoRAAdapterRequest(lora_name=name, lora_path=folder)
        answer = await models.load_lora_adapter(request)
        if isinstance(answer, ErrorResponse):
            refused[name] = answer.error.message
    return refused


def register_architectures(model: str) -> None:
    """Inspect a local model's architecture in this process.

    vLLM would start a subprocess for each architecture that it has not seen on this machine, which
    costs 8 s a piece on two cores; importing the class here takes milliseconds.
    """
    config = Path(model) / "config.json"
    if not config.is_file():
        return
    for name in json.loads(config.read_text(encoding="utf-8")).get("architectures") or []:
        known = ModelRegistry.models.get(name)
        if known is not None and hasattr(known, "load_model_cls"):
            ModelRegistry.register_model(name, known.load_model_cls())


def build_engine(args: Namespace, counts: CollectorRegistry | None = None) -> AsyncLLM:
    """Load the weights and start the engine. Blocks for as long as that takes.

    What the engine counts for Prometheus goes to `counts`, if there is one.

    Raises what vLLM raises, and ValueError in our words where the KV cache is too small.
    """
    engine_args = AsyncEngineArgs.from_cli_args(args)
    config = engine_args.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    try:
        return _start(config, engine_args, counts)
    except ValueError as error:
        if "KV cache" not in str(error) and "cache blocks" not in str(error):
            raise
        # vLLM's advice names arguments that have no effect here.
        raise ValueError(
            "Its KV cache has no room for one request of the whole context. Lower"
            " engine_args.max_model_len, or raise slots.memory_gb or slots.kv_cache_share"
            f" (vLLM: {str(error).partition('Try increasing')[0].strip()})"
        ) from error


def _start(
    config: VllmConfig, engine_args: AsyncEngineArgs, counts: CollectorRegistry | None
) -> AsyncLLM:
    return AsyncLLM.from_vllm_config(
        vllm_config=config,
        usage_context=UsageContext.OPENAI_API_SERVER,
        enable_log_requests=engine_args.enable_log_requests,
        stat_loggers=None if counts is None else [counting_into(counts)],
        disable_log_stats=engine_args.disable_log_stats,
    )


async def build_application(engine: AsyncLLM, args: Namespace) -> Any:
    """Build vLLM's OpenAI application; answers carry the model name that the client asked for."""
    tasks = await engine.get_supported_tasks()
    # Every application adds its own /tokenizer_info to this router of the module, for good.
    router = tokenize_routes.router
    router.routes[:] = [r for r in router.routes if getattr(r, "path", "") != "/tokenizer_info"]
    app = build_app(args, tasks, engine.model_config)
    await init_app_state(engine, app.state, args, tasks)
    models = app.state.openai_serving_models
    models.model_name = _asked_or(models.model_name)
    return app


def _asked_or(own_name: Callable[..., str]) -> Callable[..., str]:
    def model_name(lora_request: Any = None) -> str:
        return ASKED_MODEL.get() or own_name(lora_request)

    return model_name
