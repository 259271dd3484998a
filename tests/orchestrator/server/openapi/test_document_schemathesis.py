"""Schemathesis over the whole document: whatever it makes of a schema, the gateway keeps to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from scripted_engine import scripted_engine

from experts.types import Request
from routers.base import Decision

pytestmark = pytest.mark.slow

FIXED = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Examples of each endpoint: the right ones, and as many wrong ones."""
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
"""Not that right bodies are taken: what one expert or a panel can do, no schema can say."""
NAMES = ("tiny", "b")
STREAMING = ("completions", "/v1/responses", "/v1/messages")
"""How paths end whose answers can be streamed."""


class Both:
    """A router that gives the experts in their order."""

    name = "one"

    def route(self, requests: Sequence[Request]) -> list[Decision]:
        scores = tuple(zip(NAMES, (0.9, 0.4), strict=True))
        return [Decision("one", scores, "In order.") for _ in requests]


@pytest.fixture(scope="module")
async def served(serve: Any) -> AsyncIterator[Any]:
    """Two experts, and compositions of both kinds: one is chosen, or several answer."""
    async with scripted_engine() as base_url:
        keys = {"type": "openai", "base_url": base_url}
        yield await serve(
            experts={name: {**keys, "model": name} for name in NAMES},
            routers={"one": Both()},
            compositions={
                "pool/one": {"router": "one"},
                "pool/vote": {"router": "one", "aggregator": "vote"},
            },
        )


def violations(document_url: str, mode: GenerationMode, key: str = "") -> list[str]:
    """What goes against the document, in words; with an administrator's key, of keys alone."""
    load_all_checks()
    checks = CHECKS.get_by_names(CHECKED)
    # The same endpoints once more, and those of experts, which have documents of their own.
    schema = schemathesis.openapi.from_url(document_url)
    if key:
        schema = schema.include(path_regex="^/coterie/keys")
    else:  # The first key that is made shuts the gateway, and the stream of events never ends.
        schema = schema.exclude(path_regex="^/(batch|e|coterie/(keys|events))(/|$)")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    found: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()

        @FIXED
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            case.call_and_validate(checks=checks, headers=headers)
            if mode is GenerationMode.POSITIVE and case.operation.path.endswith(STREAMING):
                case.body = {**case.body, "stream": True}
                case.call_and_validate(checks=checks)

        try:
            check()
        except FailureGroup as failure:
            found.append(f"{operation.label}: {failure}")
        except Unsatisfiable:
            continue  # An endpoint that takes nothing cannot be asked in a wrong way.
    return found


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", ["", "/e/tiny"])
async def test_the_gateway_keeps_to_its_document(
    served: Any, path: str, mode: GenerationMode
) -> None:
    url = f"{served.base_url}{path}/openapi.json"
    assert await asyncio.to_thread(violations, url, mode) == []


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
async def test_the_routes_of_keys_keep_to_it(serve: Any, mode: GenerationMode) -> None:
    boss = {"key": "sk-boss", "admin": True}
    served = await serve(server={"api_keys": {"boss": boss}})
    url = f"{served.base_url}/openapi.json"
    assert await asyncio.to_thread(violations, url, mode, "sk-boss") == []
