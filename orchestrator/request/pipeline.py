"""One request, top to bottom: what its model's name means, who decides, who answers."""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import cache, partial
from math import inf
from typing import Any

from experts.errors import ExpertError, RequestError, UnknownModel
from experts.fused.roles import fused
from experts.openai_format import OpenAIFormat
from experts.types import EMBEDDINGS
from orchestrator.config.model import Config
from orchestrator.request.answer import NO_BYTES, StartedAnswer
from orchestrator.request.compositions import Composition, Compositions, aggregator_of
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Considered, Decider, Foreseen
from orchestrator.request.embedding.own import EMBEDDING_MODEL, OwnEmbeddings
from orchestrator.request.expert_calls import ExpertCalls
from orchestrator.request.feedback import Feedback
from orchestrator.request.likelihood_answer import scoring_of
from orchestrator.request.panel_answer import PanelAnswers
from orchestrator.request.plan import Abstain, AskExpert, plan_expert
from orchestrator.request.prompts.several import SeveralPrompts
from orchestrator.request.prompts.token_ids import Detokenizer
from orchestrator.request.resilience.deadline import in_time
from orchestrator.request.resilience.fallbacks import Fallbacks
from orchestrator.request.resilience.retries import Retries
from orchestrator.request.single_answer import SingleAnswers
from orchestrator.request.terms.abstention import abstention
from orchestrator.request.terms.capabilities import capabilities_of
from orchestrator.request.terms.embeddings import check_embedding, gives_embeddings
from orchestrator.request.terms.panels import refuse_role, refuse_what_one_expert_answers
from orchestrator.request.terms.room import check_room
from orchestrator.request.terms.tools import ToolReaders
from orchestrator.request.tracing.trace import Trace
from orchestrator.residency.pool import ExpertPool
from orchestrator.store.memory_store import MemoryStore
from routers.base import Router, TokenEncoder


class Pipeline:
    """Answers requests with the experts and compositions of one configuration."""

    def __init__(
        self,
        config: Config,
        pool: ExpertPool,
        routers: Mapping[str, Router],
        feedback: Feedback | None = None,
        encoder: Callable[[], TokenEncoder] | None = None,
    ) -> None:
        """`feedback` is what learns from clients; by default one that forgets with the process.

        `encoder` gives what embeds texts, also those that aggregators compare; its first call may
        load it.
        """
        self._encoder = encoder
        self.feedback = feedback or Feedback(config, MemoryStore())
        models = {name: fused(spec.model) for name, spec in config.hosted().items()}
        self._fused = {name: model for name, model in models.items() if model is not None}
        self._pool = pool
        self._retries = Retries.of(config.server)
        self._explained = config.server.max_explained_characters
        self._compositions = Compositions(config)
        self._decider = Decider(config, pool, routers, self.feedback)
        tools = ToolReaders(config.hosted(), config.slots.engine_args)
        self._single = SingleAnswers(pool, self._fused, tools, self._retries)
        self.capabilities = cache(partial(capabilities_of, config, self._compositions, tools))
        """What each expert and composition can do; the first call reads the files of models."""
        self._fallbacks = Fallbacks(self._single, self._decider)
        self._panels = PanelAnswers(config.server)
        self._several = SeveralPrompts(Detokenizer(config, pool), config.server)
        embedders = (name for name, spec in config.experts.items() if spec.embeds)
        self._embedding = (EMBEDDING_MODEL, *embedders)
        self._own = OwnEmbeddings(encoder, config.server) if encoder is not None else None

    def answer(self, context: RequestContext, trace: Trace) -> Coroutine[Any, Any, StartedAnswer]:
        """Begin to answer; the answer is a context that must be left.

        `trace` fills up on the way, also when this raises. Raises ExpertError, UnknownModel,
        RoutingError, DeadlinePassed, and RequestError for what the model that is asked cannot do.
        """
        answering = self._answer(context, trace)
        return answering if context.timeout_s == inf else in_time(context, answering)

    async def _answer(self, context: RequestContext, trace: Trace) -> StartedAnswer:
        if context.request.operation == EMBEDDINGS:
            return await self._embed(context, trace)
        if context.model in self._embedding:
            raise gives_embeddings(context.model)
        composition = self._compositions.find(context.model, context.options)
        if composition is None:
            action = AskExpert(context.model)
            trace.plan = plan_expert(context.model)
            if context.options.role is not None:
                refuse_role(context.options.role, (context.model,), self._fused)
            return await self._single.start(context, trace, action)
        if composition.rules is not None and (scoring := scoring_of(composition)) is not None:
            return await scoring.answer(context, trace, self._calls(context, trace, composition))
        body = context.request.body
        if "prompt_embeds" in body:
            raise RequestError(
                "A composition routes by the text: ask an expert by its name.",
                param="prompt_embeds",
            )
        one = partial(self._answer_composition, composition=composition)
        if isinstance(body.get("prompt"), str | None):
            return await one(context, trace)
        named = composition.rules.named if composition.rules is not None else ()
        return await self._several.start(context, trace, named, one)

    async def foresee(self, context: RequestContext) -> Foreseen:
        """Who will be asked. Raises what `answer` raises before it asks anybody."""
        model = context.model
        if context.request.operation == EMBEDDINGS or model in self._embedding:
            return Foreseen(Counter({model} - {EMBEDDING_MODEL}))
        composition = self._compositions.find(model, context.options)
        if composition is None:
            return Foreseen(Counter([model]))
        if composition.rules is not None and (scoring := scoring_of(composition)) is not None:
            return Foreseen(Counter(scoring.members))
        found = await self._decider.foresee(context, composition)
        # Prompts of a list are decided one by one.
        several = not isinstance(context.request.body.get("prompt"), str | None)
        return replace(found, decision=None) if several else found

    async def consider(self, context: RequestContext) -> Considered:
        """Who would be asked by a composition, and why. Raises UnknownModel, RoutingError.

        Raises RequestError for an expert, and where the same experts are asked in any case.
        """
        composition = self._compositions.find(context.model)
        if composition is None:
            raise RequestError(f"{context.model} is one expert: nothing is routed.", param="model")
        if composition.rules is not None and (scoring := scoring_of(composition)) is not None:
            members = ", ".join(scoring.members)
            raise RequestError(
                f"{context.model} asks {members}, whatever the question is: nothing is routed.",
                param="model",
            )
        return await self._decider.consider(context, composition)

    async def _answer_composition(
        self, context: RequestContext, trace: Trace, composition: Composition
    ) -> StartedAnswer:
        """Decide who answers, and let the expert, or the panel, do so."""
        if composition.rules is not None:
            refuse_what_one_expert_answers(context)
        # Made when somebody is called with them: one expert's answer needs none.
        calls = cache(partial(self._calls, context, trace, composition))
        trace.plan = plan = await self._decider.decide(context, trace, composition, calls)
        action = plan.action
        if context.options.role is not None:
            named = plan.panel.experts if plan.panel is not None else (plan.preferred,)
            refuse_role(context.options.role, named, self._fused)
        if isinstance(action, Abstain):
            return await self._abstain(context, plan.preferred, action)
        if isinstance(action, AskExpert):
            try:
                return await self._single.start(context.for_one, trace, action)
            except ExpertError as error:
                return await self._fallbacks.instead(context, trace, composition, action, error)
        aggregator = aggregator_of(composition, action)
        return await self._panels.start(context, trace, action.panel, aggregator, calls())

    async def _embed(self, context: RequestContext, trace: Trace) -> StartedAnswer:
        """Vectors of one expert, or of the service's own encoder."""
        check_embedding(context, self._embedding)
        if context.model == EMBEDDING_MODEL:
            assert self._own is not None, "a service has an encoder"
            return await self._own.answer(context, trace)
        trace.plan = plan_expert(context.model)
        return await self._single.start(context, trace, AskExpert(context.model))

    async def _abstain(
        self, context: RequestContext, preferred: str, action: Abstain
    ) -> StartedAnswer:
        """Say so, where the request is one that an expert could have answered."""
        await check_room(context, preferred, self._pool)
        content = abstention(context.request, context.model, action.message)
        kind = OpenAIFormat(context.request, context.model).content_type
        return StartedAnswer(kind, content, NO_BYTES)

    def knows(self, model: str) -> bool:
        """Whether something answers under that name."""
        if model in self._embedding:
            return True
        try:
            self._compositions.find(model)
        except UnknownModel:
            return False
        return True

    @property
    def routers(self) -> Mapping[str, Router]:
        """Those that decide now, by their names."""
        return self._decider.routers

    def replace(self, name: str, router: Router) -> None:
        """Let another router decide from now on; what waits is still decided by the old one."""
        self._decider.replace(name, router)

    def _calls(
        self, context: RequestContext, trace: Trace, composition: Composition
    ) -> ExpertCalls:
        calls = ExpertCalls(
            self._pool,
            self._fused,
            composition.config,
            context,
            trace,
            self._retries,
            self._encoder,
            self._explained,
        )
        trace.doing = calls.doing
        return calls
