"""Who a trace says has answered."""

from aggregators.base import Panel
from experts.types import Usage
from orchestrator.request.plan import AskPanel, Plan
from orchestrator.request.tracing.trace import AUTHOR, Trace

PANEL = Plan(AskPanel(Panel(("failed", "first", "second")), "vote"), "", "failed")


def test_of_a_panel_it_is_never_one_that_has_not_answered() -> None:
    trace = Trace(plan=PANEL)
    assert trace.expert == "failed"  # Nobody has answered yet.
    trace.count("failed", Usage(5, 0))
    trace.count("second", Usage(5, 3))
    trace.count("first", Usage(5, 3))
    assert trace.expert == "second"


def test_of_a_panel_it_is_who_wrote_the_answer_where_that_is_told() -> None:
    trace = Trace(plan=PANEL, usage={"second": Usage(5, 3)}, facts={AUTHOR: "first"})
    assert trace.expert == "first"
