"""The difference between two configurations: what a service takes over, and what it cannot."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from experts.spec import HostedSpec
from orchestrator.config.difference.entries import Change, entries, values
from orchestrator.config.model import Config

LIGHT = frozenset(
    {
        "about",
        "price_usd_per_mtok",
        "system",
        "images",
        "max_in_flight",
        "max_queued",
        "preload",
        "pin",
        "max_idle_s",
    }
)
"""Keys of hosted experts, beside `defaults`, for which nothing is loaded anew."""
LIVE_SERVER = frozenset(
    {
        "max_body_mb",
        "max_in_flight",
        "max_answer_checks",
        "lease_timeout_s",
        "retries",
        "retry_pause_s",
        "retry_pause_max_s",
        "request_timeout_s",
        "batch_share",
        "breaker",
        "drain_notice_s",
        "drain_timeout_s",
        "max_prompts",
        "max_explained_characters",
        "max_embedding_inputs",
        "max_embedding_tokens",
        "comment_after_s",
        "comment_interval_s",
        "events",
        "probes",
        "reports",
        "limits",
    }
)
"""Keys of `server`, beside `api_keys`, that are looked at whenever they are needed."""
RESTART = ("version", "slots", "ray", "store", "batches", "traces", "metrics")
"""Sections that are read once, when the service starts."""
LOADS_ANEW = " (it drains, then it is loaded anew)"


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, in the order of the file."""

    changes: tuple[Change, ...]
    renewed: frozenset[str] = field(default_factory=frozenset)
    """Experts whose keys are the same, and a file that they name is not."""

    @property
    def restart(self) -> tuple[Change, ...]:
        """What a service that runs cannot take over."""
        return tuple(change for change in self.changes if change.restart)

    @property
    def lines(self) -> tuple[str, ...]:
        """One sentence each: first what can be taken over."""
        return tuple(map(str, sorted(self.changes, key=lambda change: change.restart)))


def difference(
    old: Config,
    new: Config,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    *,
    has_slots: bool | None = None,
) -> Difference:
    """What is otherwise in `new`.

    `before` and `after` are the digests of the files that they name, by key (`Fingerprints`).
    `has_slots`: whether the service has slots, as one has that was started with hosted experts.
    """
    found = tuple(_files(new, before or {}, after or {}))
    slots = bool(old.hosted()) if has_slots is None else has_slots
    renewed = frozenset(key.split(".")[1] for key, _ in found if key.startswith("experts."))
    changes = (
        *_experts(old, new, slots),
        *entries("router", "routers", old.routers, new.routers),
        *entries("aggregator", "aggregators", old.aggregators, new.aggregators),
        *entries("composition", "compositions", old.compositions, new.compositions),
        *entries("class", "classes", old.classes, new.classes),
        *(Change(key, words) for key, words in found),
        *_server(old, new),
        *_feedback(old, new),
        *_sections(old, new),
    )
    return Difference(changes, renewed)


def _experts(old: Config, new: Config, has_slots: bool) -> Iterator[Change]:
    def follows(name: str, key: str) -> str:
        if name not in new.experts:
            return " (it drains, then it leaves)" if old.experts[name].hosted else ""
        if not new.experts[name].hosted or key in LIGHT or key.startswith("defaults."):
            return ""
        return " (it is loaded)" if key == "added" else LOADS_ANEW

    lacking = "" if has_slots else "a service without slots cannot host experts"
    for change in entries("expert", "experts", old.experts, new.experts, follows):
        name = change.path.split(".")[1]
        hosts = lacking and name in new.hosted() and not _is_hosted(old, name)
        yield Change(change.path, f"{change.words}: {lacking}", True) if hosts else change
    yield from _engines(old, new)


def _is_hosted(config: Config, name: str) -> bool:
    return isinstance(config.experts.get(name), HostedSpec)


def _engines(old: Config, new: Config) -> Iterator[Change]:
    """Engines that are loaded anew because others begin or cease to share them."""
    before, after = _sharing(old), _sharing(new)
    for base, sharing in after.items():
        if base not in before or sharing == before[base]:
            continue
        names = ", ".join(sorted(sharing ^ before[base]))
        words = f"expert {base}: its engine is shared otherwise ({names}){LOADS_ANEW}"
        yield Change(f"experts.{base}", words)


def _sharing(config: Config) -> dict[str, frozenset[str]]:
    """Base expert -> who shares its engine."""
    hosted = config.hosted()
    return {
        base: frozenset(name for name, one in hosted.items() if one.base == base)
        for base, spec in hosted.items()
        if spec.base is None
    }


def _files(
    new: Config, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Files that both name under the same key, with other contents."""
    for key, digest in after.items():
        if before.get(key, digest) != digest:
            follows = LOADS_ANEW if key.startswith("experts.") else ""
            yield key, f"{key}: the file has another content{follows}"


def _server(old: Config, new: Config) -> Iterator[Change]:
    for key, words in values(old.server, new.server):
        top = key.split(".")[0]
        if top != "api_keys":
            yield Change(f"server.{key}", f"server.{key} {words}", top not in LIVE_SERVER)
    yield from entries("API key", "server.api_keys", old.server.api_keys, new.server.api_keys)


def _feedback(old: Config, new: Config) -> Iterator[Change]:
    for key, words in values(old.feedback, new.feedback):
        yield Change(f"feedback.{key}", f"feedback.{key} {words}")


def _sections(old: Config, new: Config) -> Iterator[Change]:
    for name in RESTART:
        for key, words in values({name: getattr(old, name)}, {name: getattr(new, name)}):
            hidden = "has another value (not shown)" if name == "store" else words
            yield Change(key, f"{key} {hidden}", True)
