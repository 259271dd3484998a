"""`coterie eval debates`: how often a judge who cannot see the source is right, by who argues.

The claim is that of Khan et al. (arXiv 2402.06782) and Michael et al. (arXiv 2311.08702): two
sides that argue and quote help a judge more than one, and one more than none. Passages are made up
(`experts/zoo/council/passages.py`), the two sides follow a script, the judge is an expert of the
pool, and what goes between them is the aggregator `judged_debate`.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from aggregators.debate.debate_config import JudgedDebateConfig
from aggregators.debate.judged import JudgedDebate
from evals.benchmarks.panels import debates_report
from evals.benchmarks.panels.debates_report import SETTINGS, Found
from evals.benchmarks.panels.debates_stage import Judged, Setting, stage
from evals.client.progress import Progress
from evals.client.service import serving, without_routers
from evals.reporting.table import Finish
from experts.engine import Engine
from experts.errors import ConfigError
from experts.openai import Endpoint, ExpertClient, OpenAIEngine
from experts.zoo.council.passages import sample_passage
from orchestrator.config.model import Config

KIND = "judged_debate"


async def debates(
    progress: Progress,
    settings: Config,
    judge: str | None,
    passages: int,
    seed: int,
    in_flight: int,
    json_out: Path | None,
) -> Finish:
    """`coterie eval debates`. Raises ConfigError and ServiceError."""
    config = debate_config(settings, judge)
    # Named by debate_config, or refused there.
    name = str(config.judge)
    async with serving(without_routers(settings), progress) as service, ExpertClient() as client:
        engine = OpenAIEngine(Endpoint(name, f"{service.base_url}/v1", name), client)
        found = await measure(config, engine, passages, seed, in_flight, progress)
    if json_out:
        debates_report.write_json(json_out, found)
    return partial(debates_report.print_debates, found=found)


def debate_config(settings: Config, judge: str | None) -> JudgedDebateConfig:
    """The keys of the file's first `judged_debate`, with this judge if one is named.

    Raises ConfigError where neither names a judge of the pool.
    """
    keys: Mapping[str, Any] = next(
        (keys for keys in settings.aggregators.values() if keys.get("type") == KIND), {}
    )
    config = JudgedDebateConfig.model_validate({"type": KIND, **keys})
    config = config.model_copy(update={"judge": judge or config.judge})
    if config.judge not in settings.answering:
        known = ", ".join(settings.answering)
        raise ConfigError(
            f"The judge must be an expert of the pool ({known}), not {config.judge}: name one with"
            f" --judge, or in an aggregator of the type {KIND}."
        )
    return config


async def measure(
    config: JudgedDebateConfig,
    judge: Engine,
    passages: int,
    seed: int,
    in_flight: int,
    progress: Progress,
) -> Found:
    """Let the judge decide about every held-out passage in every setting. Raises ServiceError."""
    aggregator, rng = JudgedDebate(config), Random(f"debates {seed}")
    drawn = [sample_passage(rng, "test") for _ in range(passages)]
    places = asyncio.Semaphore(in_flight)
    total = len(SETTINGS) * passages
    told = progress.counting(f"{judge.name} judges", total, "debates")

    async def one(setting: Setting, number: int) -> Judged:
        async with places:
            order = Random(f"{seed} {setting.name} {number}")
            said = (aggregator, drawn[number], setting, config.rounds, judge, order)
            judged = await stage(*said)
        told(judged)
        return judged

    rows = {
        setting.name: await asyncio.gather(*(one(setting, n) for n in range(passages)))
        for setting in SETTINGS
    }
    return Found(judge.name, config.rounds, rows)
