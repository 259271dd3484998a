"""Every error that Coterie raises, with what a client needs to know about it.

CoterieError
├── ConfigError            a file or a name that was given is wrong; exit code 2
├── RequestError           the caller's fault
│   ├── UnknownModel       no expert or composition has that name
│   ├── UnknownObject      no file or batch of the caller's has that id
│   ├── InUse              what would be deleted is still needed
│   ├── NameTaken          something else has that name
│   ├── StillRunning       the first request with this Idempotency-Key is under way elsewhere
│   ├── KeyReused          another request had this Idempotency-Key
│   ├── ReloadRefused      a new configuration cannot be applied; the one before goes on
│   ├── AdminOnly          the caller may not change the service
│   ├── BodyTooLarge       more bytes than the configuration allows
│   ├── UnknownEncoding    the body is packed in a way that is not known
│   ├── TooManyRequests    more requests under way than the configuration allows
│   └── LimitReached       the caller's API key may not ask for more now
├── ExpertError            an expert failed; another one may do better
│   ├── ExpertUnavailable  it could not be loaded
│   ├── ExpertPaused       it has kept failing, and is not asked for a while
│   ├── ExpertLost         its connection or its process broke
│   ├── ExpertTimeout      it did not answer within the deadline
│   ├── BadOutput          it sent something that is not OpenAI's format
│   ├── ExpertMisconfigured its server refuses the service itself: its key, account or address
│   ├── ExpertSilent       it answered without text, where text is needed
│   ├── ExpertOverloaded   its queue is full
│   ├── NobodyAnswered     none of several experts that should answer together did
│   │   └── AllBusy        none of them has room just now
│   ├── BudgetSpent        it was not asked, or was stopped: the panel's budget was spent
│   └── ExpertRefused      it answered with an error of its own, which is passed on
├── RoutingError           no router could decide
├── InternalError          a fault of ours; the log has its traceback
├── DeadlinePassed         the request's own time is over
├── StoreError             the store did not answer
├── ServiceStopping        the service stops, and cannot finish what is under way
└── ServiceError           the service could not start (port, Ray, slot); exit code 1
"""

from collections.abc import Mapping
from typing import Any

from experts.upstream.quoting import brief, quoted


class CoterieError(Exception):
    """The root: `code` is stable, `retryable` says whether the same call may succeed later."""

    code = "internal_error"
    retryable = False

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class ConfigError(CoterieError):
    """A file or a name that was given is wrong; `problems` has each place and what to do."""

    code = "invalid_config"

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class RequestError(CoterieError):
    """The request cannot be served as it was sent; what is quoted of it is cut."""

    code = "invalid_request"

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(brief(message), hint=hint, param=param and quoted(param))


class UnknownModel(RequestError):
    """No expert and no composition has the name that was asked for."""

    code = "model_not_found"


class UnknownObject(RequestError):
    """No file or batch of the caller's has that id."""

    code = "not_found"


class InUse(RequestError):
    """What would be deleted is still needed."""

    code = "in_use"


class NameTaken(RequestError):
    """Something else has the name that was given."""

    code = "name_taken"


class StillRunning(RequestError):
    """The first request with this `Idempotency-Key` is under way at another gateway."""

    code = "idempotency_key_in_use"
    retryable = True


class KeyReused(RequestError):
    """The `Idempotency-Key` was that of another request."""

    code = "idempotency_key_reuse"


class ReloadRefused(RequestError):
    """A new configuration is right, but cannot be applied to this service as it runs."""

    code = "reload_refused"


class AdminOnly(RequestError):
    """The call changes the service, which only administrators may do."""

    code = "admin_only"


class BodyTooLarge(RequestError):
    """The body has more bytes than `server.max_body_mb` allows."""

    code = "body_too_large"


class UnknownEncoding(RequestError):
    """The body's `content-encoding` is not one of those that are unpacked."""

    code = "unknown_encoding"


class TooManyRequests(RequestError):
    """More requests are under way than `server.max_in_flight` allows."""

    code = "too_many_requests"
    retryable = True


class LimitReached(RequestError):
    """The API key has no more of `kind` (requests, tokens, price) now.

    `quota`: for the rest of the day; else a moment's waiting helps, unless the request alone is
    more than the limit. `retry_after_s` says when there is more; None where that is of no use.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        kind: str,
        quota: bool,
        retry_after_s: float | None,
        retryable: bool = True,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.quota = quota
        self.code = "insufficient_quota" if quota else "rate_limit_exceeded"
        self.retry_after_s = retry_after_s
        self.retryable = retryable and not quota


class ExpertError(CoterieError):
    """An expert failed; `expert` names it."""

    code = "expert_error"
    retryable = True

    def __init__(self, message: str, *, expert: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.expert = expert


class ExpertUnavailable(ExpertError):
    """The expert could not be loaded; `retry_after_s` says when loading it will be tried again."""

    code = "expert_unavailable"

    def __init__(
        self, message: str, *, expert: str, hint: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, expert=expert, hint=hint)
        self.retry_after_s = retry_after_s


class ExpertPaused(ExpertError):
    """The expert has kept failing, or wants to rest: it is asked again in `retry_after_s`."""

    code = "expert_paused"

    def __init__(self, message: str, *, expert: str, retry_after_s: float) -> None:
        super().__init__(message, expert=expert)
        self.retry_after_s = retry_after_s


class ExpertLost(ExpertError):
    """The connection to the expert, or its process, broke."""

    code = "expert_lost"


class ExpertTimeout(ExpertError):
    """The expert did not answer within the deadline."""

    code = "expert_timeout"


class BadOutput(ExpertError):
    """The expert sent something that is not OpenAI's format."""

    code = "bad_output"
    retryable = False


class ExpertMisconfigured(ExpertError):
    """The expert's server refuses us, whatever is asked: its key, account or address is wrong."""

    code = "expert_misconfigured"
    retryable = False


class ExpertSilent(ExpertError):
    """The expert answered without text, where text was needed."""


class ExpertOverloaded(ExpertError):
    """More requests are waiting for the expert than the configuration allows.

    `retry_after_s`: about what those that wait will take, where that is known.
    """

    code = "expert_overloaded"

    def __init__(
        self, message: str, *, expert: str, hint: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, expert=expert, hint=hint)
        self.retry_after_s = retry_after_s


class NobodyAnswered(ExpertError):
    """None of the experts that should answer together did; `errors` are their reasons."""

    code = "no_expert_answered"

    def __init__(
        self, message: str, *, expert: str, errors: "tuple[ExpertError, ...]" = ()
    ) -> None:
        super().__init__(message, expert=expert)
        self.errors = errors


class AllBusy(NobodyAnswered):
    """None of several experts has room just now; `retry_after_s` says when the first may have."""

    code = "experts_busy"

    def __init__(
        self,
        message: str,
        *,
        expert: str,
        errors: "tuple[ExpertError, ...]" = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, expert=expert, errors=errors)
        self.retry_after_s = retry_after_s


class BudgetSpent(ExpertError):
    """A panel may not ask any expert again: `budget` names the limit that it has reached."""

    code = "budget_spent"
    retryable = False

    def __init__(self, message: str, *, expert: str, budget: str) -> None:
        super().__init__(message, expert=expert, hint="Raise the composition's `budget`.")
        self.budget = budget


class ExpertRefused(ExpertError):
    """The expert answered with an error; `status` and `body` are passed on.

    `retry_after_s` is its own word on when to try again.
    """

    code = "expert_refused"
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        expert: str,
        status: int,
        body: Mapping[str, Any],
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, expert=expert)
        self.retry_after_s = retry_after_s
        self.status = status
        self.body = body
        self.retryable = status >= 500


class RoutingError(CoterieError):
    """No router could decide who should answer."""

    code = "routing_failed"


class InternalError(CoterieError):
    """A fault of ours; the log has its traceback."""


class ServiceStopping(CoterieError):
    """The service stops, and the request was not finished in time."""

    code = "service_stopping"
    retryable = True


class DeadlinePassed(CoterieError):
    """The time is over that the request, or the configuration, has given it."""

    code = "deadline_passed"
    retryable = True


class StoreError(CoterieError):
    """The store did not answer; what it was to keep is lost, nothing else."""

    code = "store_unavailable"


class ServiceError(CoterieError):
    """The service could not start."""

    code = "service_error"
