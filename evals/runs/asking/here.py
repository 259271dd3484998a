"""One call to a service in this process, without HTTP between: half of what a call costs."""

import asyncio
import json
import time
from itertools import count

from evals.runs.asking.wire import BUSY, Busy, Reply
from experts.errors import (
    ExpertError,
    ExpertOverloaded,
    ExpertPaused,
    ExpertRefused,
    ExpertTimeout,
    ExpertUnavailable,
)
from experts.types import Request
from orchestrator.config.model import BATCH_CLASS
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.trace import Trace
from orchestrator.service import Service

_ROOM_LATER = 503


class Here:
    """Asks the experts of a service that was started here, in the class `batch`."""

    def __init__(self, service: Service, *, timeout_s: float) -> None:
        self._service = service
        self._timeout_s = timeout_s
        self._numbers = count(1)

    async def __call__(self, model: str, request: Request) -> Reply:
        """The response. Raises ExpertError; Busy where the same call may succeed later."""
        # Equal calls have equal ids in a run; in the service, a request has one of its own.
        own = Request(f"run-{next(self._numbers)}", request.operation, request.body)
        context, trace = RequestContext(own, model, BATCH_CLASS), Trace()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                content = await self._service.answer(context, trace)
        except TimeoutError as error:
            words = f"{model} did not answer within {self._timeout_s:g} s."
            raise ExpertTimeout(words, expert=model, hint="Raise --timeout.") from error
        except (ExpertOverloaded, ExpertPaused, ExpertUnavailable, ExpertRefused) as error:
            if isinstance(error, ExpertRefused) and error.status not in BUSY:
                raise
            raise _busy(error) from error
        waited_ms = trace.queue_ms + trace.load_ms
        seconds = time.perf_counter() - started - waited_ms / 1000
        return Reply(json.loads(content), max(0.0, seconds))


def _busy(error: ExpertError) -> Busy:
    body = {"message": error.message, "code": error.code}
    busy = Busy(error.message, expert=error.expert, status=_ROOM_LATER, body=body)
    busy.after_s = getattr(error, "retry_after_s", None) or 0.0
    return busy
