"""One request's way: few files, and none that is left and entered again and again."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from repository import ROOT

from experts.types import Request
from orchestrator.request.context import RequestContext
from orchestrator.request.tracing.trace import Trace
from routers.base import Decision

PACKAGES = ("experts", "routers", "aggregators", "orchestrator")
DATA = {
    "context.py",
    "call.py",
    "trace.py",
    "types.py",
    "availability.py",
    "plan.py",
    "base.py",
    "model.py",
    "state.py",
    "options.py",
}
"""Files that hold data and pure functions over it: reading them is not a step of the way."""
WIRE = "experts/wire/"
"""The client of HTTP: what goes on in it is the protocol's way, as it would be in a library."""
HOSTED = {"type": "vllm", "model": "org/hosted", "memory_gb": 1}


class Hosted:
    """Always the expert in a slot."""

    name = "one"

    def route(self, requests: Any) -> list[Decision]:
        return [Decision("one", (("hosted", 1.0),), "") for _ in requests]


def _watch(entered: list[str]) -> Callable[[FrameType, str, Any], None]:
    """Notes every call into a file of ours from another one."""

    def profile(frame: FrameType, event: str, _: Any) -> None:
        caller = frame.f_back
        if event != "call" or caller is None:
            return
        callee_file, caller_file = frame.f_code.co_filename, caller.f_code.co_filename
        path = Path(callee_file)
        if callee_file == caller_file or not path.is_relative_to(ROOT):
            return
        name = str(path.relative_to(ROOT))
        # A coroutine that goes on is no new call: its frame is the same.
        ours = name.startswith(PACKAGES) and not name.startswith(WIRE)
        if ours and frame not in seen:
            seen.append(frame)
            entered.append(name)

    seen: list[FrameType] = []
    return profile


@pytest.mark.parametrize("model", ["hosted", "pool/auto"])
async def test_the_way_is_short_and_straight(serve: Any, model: str) -> None:
    gateway = await serve(
        {"hosted": HOSTED},
        routers={"one": Hosted()},
        slots={"canary_tokens": 0},
        server={"breaker": {}},
    )
    body = {"messages": [{"role": "user", "content": "x"}]}
    context = RequestContext(Request("r-1", "chat/completions", body), model)
    async with await gateway.pipeline.answer(context, Trace()):
        pass  # The first request opens a connection, which is no step of the second one's way.
    entered: list[str] = []
    sys.setprofile(_watch(entered))
    try:
        answer = await gateway.pipeline.answer(context, Trace())
    finally:
        sys.setprofile(None)
    async with answer:
        pass
    print("\n".join(entered))
    times = Counter(name for name in entered if Path(name).name not in DATA)
    assert len(times) <= 12, sorted(times)
    assert {name: count for name, count in times.items() if count > 1 + 2} == {}
