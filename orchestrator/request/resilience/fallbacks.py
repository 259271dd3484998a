"""Asks the next expert by the router's scores, where the one that should answer cannot."""

from experts.errors import (
    BadOutput,
    ExpertError,
    ExpertLost,
    ExpertMisconfigured,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    ExpertTimeout,
    ExpertUnavailable,
    RequestError,
)
from orchestrator.request.answer import StartedAnswer
from orchestrator.request.compositions import Composition
from orchestrator.request.context import RequestContext
from orchestrator.request.decider import Decider
from orchestrator.request.plan import AskExpert
from orchestrator.request.single_answer import SingleAnswers
from orchestrator.request.tracing.trace import Trace

RATE_LIMITED = 429
FAILURES = 500
"""From here on, a status tells of the server, not of the request."""
_FAILED = (ExpertLost, ExpertTimeout, BadOutput, ExpertMisconfigured, ExpertUnavailable)
_BUSY = (ExpertOverloaded, ExpertPaused)


def another_may_do_better(error: ExpertError, *, patient: bool) -> bool:
    """Whether a failure before the first token is that expert's alone, and not the request's.

    Who is `patient` waits for one that is only busy: it is the better one.
    """
    if isinstance(error, ExpertRefused):
        busy = error.status == RATE_LIMITED
        return error.status >= FAILURES or (busy and not patient)
    return isinstance(error, _FAILED) or (isinstance(error, _BUSY) and not patient)


class Fallbacks:
    """Answers of one expert each, that of a composition."""

    def __init__(self, single: SingleAnswers, decider: Decider) -> None:
        self._single = single
        self._decider = decider

    async def instead(
        self,
        context: RequestContext,
        trace: Trace,
        composition: Composition,
        action: AskExpert,
        first: ExpertError,
    ) -> StartedAnswer:
        """Ask the next ones, as many as may be asked, after the expert of the plan has failed.

        `trace.failed` has those that were asked in vain, and `trace.plan` the one that answers.
        Raises the error of the first expert where none answers, or where the request is at fault.
        """
        asks_a_role = context.options.role is not None  # Of one fused expert.
        if asks_a_role or not another_may_do_better(first, patient=context.patient):
            raise first
        failed = {action.expert: first.code}
        for _ in range(composition.config.fallbacks):
            plan = self._decider.instead(context, trace, composition, failed)
            if plan is None:
                break
            assert isinstance(plan.action, AskExpert), "one expert answers in its place"
            before, trace.plan = trace.plan, plan
            trace.failed = dict(failed)
            try:
                return await self._single.start(context.for_one, trace, plan.action)
            except RequestError as error:  # It cannot do what is asked: its tools, its roles.
                trace.plan, code = before, error.code
            except ExpertError as error:
                code = error.code
            failed[plan.action.expert] = code
        trace.failed = failed
        raise first
