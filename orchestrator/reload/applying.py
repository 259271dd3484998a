"""One configuration takes the place of another in a running service, or nothing changes.

First all that may fail is done beside what serves: files are checked, routers and aggregators made,
new experts loaded and changed ones replaced. Then, in one moment, the endpoints get another
context; requests under way go on with the one that they began with. Last, what is no longer
configured leaves. Where one of these steps fails, those before it are taken back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from aggregators import equality
from experts.errors import ConfigError
from orchestrator.config.checks import missing_files, strangers, unwritable_files
from orchestrator.config.difference.difference import Difference
from orchestrator.config.model import Config
from orchestrator.reload.config_file import Version
from orchestrator.reload.routers import asks_expert, make_router, make_routers, unchanged
from orchestrator.request.embedding.encoder import embedder_of
from orchestrator.request.pipeline import Pipeline
from orchestrator.residency.changing.together import together
from orchestrator.residency.pool import ExpertPool
from orchestrator.server.app import Application, adopt
from orchestrator.server.batch.desk import BatchDesk
from orchestrator.server.context import Context
from orchestrator.server.reuse.starting import answers_of
from routers.base import Router, TokenEncoder


class Applier:
    """Changes what one application serves."""

    def __init__(
        self, app: Application, encoder: Callable[[], TokenEncoder], desk: BatchDesk | None
    ) -> None:
        """`desk` answers the lines of batches, where there are any."""
        self._app = app
        self._encoder = encoder
        self._desk = desk

    @property
    def context(self) -> Context:
        """What endpoints use now."""
        return self._app.context

    async def apply(self, old: Version, new: Version, found: Difference) -> Mapping[str, Router]:
        """Serve `new` in place of `old`; returns its routers.

        Raises ConfigError for what only shows when it is made, and ReloadRefused for an expert that
        cannot be loaded: `old` is served then as before.
        """
        before, config = self.context, new.config
        await asyncio.to_thread(check_files, config)
        before.keys.check(config.server)
        pool = before.pool.successor(config)
        routers = await self._early_routers(old, new, found)
        hosted, wanted = old.config.hosted(), config.hosted()
        both = together((hosted, wanted))
        if both != hosted or found.renewed:
            await pool.reconfigure(both, found.renewed)
        try:
            context = await self._made(before, config, pool, routers)
            await self._serve(context)
            try:
                if wanted != both:
                    await pool.reconfigure(wanted)
            except BaseException:
                await self._serve(before)
                raise
        except BaseException:
            if both != hosted or wanted != both:
                await pool.reconfigure(hosted)
            raise
        return context.pipeline.routers

    async def _early_routers(
        self, old: Version, new: Version, found: Difference
    ) -> dict[str, Router]:
        """Those that need no expert: as they were, or made anew."""
        known, config = self.context.pipeline.routers, new.config
        kept = unchanged(old, new, found.renewed)
        names = [n for n, keys in config.routers.items() if n not in kept and not asks_expert(keys)]
        made = await asyncio.to_thread(make_routers, config, self._encoder, names)
        return {**{name: known[name] for name in kept}, **made}

    async def _made(
        self, before: Context, config: Config, pool: ExpertPool, routers: Mapping[str, Router]
    ) -> Context:
        """What endpoints will use; aggregators are built with it. Raises ConfigError."""
        embedder = embedder_of(config, pool)
        asking = [name for name in config.routers if name not in routers]
        late = await asyncio.to_thread(make_routers, config, self._encoder, asking, embedder)
        ordered = {**routers, **late}
        made = {name: ordered[name] for name in config.routers}
        pipeline = Pipeline(config, pool, made, before.pipeline.feedback, self._encoder)
        again = partial(make_router, config, self._encoder, embedder)
        context = replace(before, config=config, pool=pool, pipeline=pipeline, make_router=again)
        if (answers := before.answers) is None:
            return context
        answers = await answers_of(config, pipeline, answers.under_way)
        return replace(context, answers=answers)

    async def _serve(self, context: Context) -> None:
        """From the next request on."""
        await context.pipeline.feedback.adopt(context.config)
        checks = context.config.server.max_answer_checks
        if checks != self.context.config.server.max_answer_checks:
            equality.limit_children(checks)
        adopt(self._app, context)
        if self._desk is not None:
            self._desk.adopt(context.config, context.pool, context.pipeline, context.answers)
        await context.keys.adopt(context.config.server)


def check_files(config: Config) -> None:
    """Raise ConfigError for files without which a configuration cannot be served."""
    problems = missing_files(config.routers)
    problems = problems or list(
        strangers(config.routers, tuple(config.answering), config.embedders)
    )
    if problems := problems or unwritable_files(config.written()):
        raise ConfigError(" ".join(problems))
