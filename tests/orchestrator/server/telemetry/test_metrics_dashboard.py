"""Every query of the Grafana dashboard finds what it asks for on the page that Prometheus reads.

The engines' own metrics, `vllm:*`, are held against real engines in tests/e2e.
"""

from typing import Any

import pytest
from dashboard import dashboard, labels_on, legend_labels, parsed, queries, uses

from experts.types import Request, Usage
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import AskExpert, Plan
from orchestrator.request.tracing.trace import Trace
from routers.base import Decision


def _eventful() -> list[Trace]:
    """Requests that everything happened to."""
    traces = []
    for guard in (None, "general"):
        trace = Trace(status=200, first_byte_ms=5.0, total_ms=9.0, error="expert_lost")
        trace.decision = Decision("one", (("hosted", 1.0),), "", fallback=guard)  # type: ignore[arg-type]
        trace.plan = Plan(AskExpert("tiny"), "", preferred="hosted")
        trace.tries_again("tiny", "it broke")
        trace.budget_spent["calls"] = 1
        trace.count("tiny", Usage(5, 3))
        call = trace.begins("tiny", None)
        call.leased(0.0, 0.0, None)
        call.started()
        call.usage = Usage(5, 3)
        call.end()
        traces.append(trace)
    return traces


@pytest.fixture(scope="session")
async def page(serve: Any) -> dict[str, frozenset[str]]:
    """Metric -> labels, of a gateway with a slot that has seen everything."""
    gateway = await serve(
        {"hosted": {"type": "vllm", "model": "org/h"}},
        slots={"canary_tokens": 0},
        server={"cache": {}},
    )
    telemetry = gateway.context.telemetry
    context = RequestContext(Request("r", "chat/completions", {"messages": []}), "pool/auto")
    for trace in _eventful():
        telemetry.metrics.write(context, trace)
    telemetry.watch_batches(lambda: {"completed": 1, "failed": 0, "left": 2})
    return labels_on((await gateway.http.get("/metrics")).text)


def test_the_dashboard_has_queries() -> None:
    assert len(queries()) > 50


@pytest.mark.parametrize(("title", "query"), queries())
def test_a_query_asks_for_what_there_is(
    page: dict[str, frozenset[str]], title: str, query: str
) -> None:
    asked = list(uses(parsed(query)))
    assert asked
    for use in asked:
        if not use.metric.startswith("vllm:"):
            assert use.metric in page, title
            assert use.labels <= page[use.metric], title


def test_legends_show_labels_that_the_results_have(page: dict[str, frozenset[str]]) -> None:
    for panel in dashboard()["panels"]:
        for target, shown in zip(panel.get("targets", ()), legend_labels(panel), strict=True):
            asked = list(uses(parsed(target["expr"])))
            grouped = set().union(*(use.labels for use in asked))
            bare = "by (" not in target["expr"]
            known = set().union(*(page.get(use.metric, ()) for use in asked)) if bare else grouped
            assert shown <= known, panel["title"]


def test_every_metric_of_ours_is_on_the_dashboard_or_known_to_be_left_out(
    page: dict[str, frozenset[str]],
) -> None:
    shown = {use.metric for _, query in queries() for use in uses(parsed(query))}
    suffixes = ("_bucket", "_count", "_sum", "_created", "_total")
    ours = {name for name in page if name.startswith("coterie_") and not name.endswith("_created")}
    families = {_stem(name, suffixes) for name in ours} - {_stem(name, suffixes) for name in shown}
    assert families == {
        "coterie_info",
        "coterie_load_estimate_seconds",
        "coterie_wake_estimate_seconds",
        "coterie_slot_asks",
        "coterie_slot_cuts",
        "coterie_slot_wanted",
        "coterie_queue_depth",  # Of engines; the dashboard has that of experts.
    }


def _stem(name: str, suffixes: tuple[str, ...]) -> str:
    return next((name.removesuffix(s) for s in suffixes if name.endswith(s)), name)


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
