"""The spans of any trace form one tree, in time order, without a word of what was said."""

from hypothesis import given
from hypothesis import strategies as st

from experts.types import Request, Usage
from orchestrator.request.context import RequestContext
from orchestrator.request.plan import plan_expert
from orchestrator.request.tracing.call import Call
from orchestrator.request.tracing.identity import Identity
from orchestrator.request.tracing.spans import spans_of, without_texts
from orchestrator.request.tracing.trace import Trace
from routers.base import Decision

SECRET = "the secret question"
BODY = {"messages": [{"role": "user", "content": SECRET}], "temperature": 1, "user": SECRET}
MOMENTS = st.floats(100, 110)
NAMES = st.sampled_from(["a", "b"])


@st.composite
def calls(draw: st.DrawFn) -> Call:
    began, sent, first, ended = sorted(draw(st.tuples(MOMENTS, MOMENTS, MOMENTS, MOMENTS)))
    call = Call(draw(NAMES), draw(st.none() | st.just("f" * 16)), began)
    wait_ms = 1000 * (sent - began)
    share = draw(st.floats(0, 1))
    call.queue_ms, call.load_ms = wait_ms * share, wait_ms * (1 - share)
    call.sent = draw(st.just(sent) | st.none())
    call.first = draw(st.just(first) | st.none())
    call.ended = draw(st.just(ended) | st.none())
    call.error = draw(st.none() | st.just("expert_lost"))
    call.usage = draw(st.none() | st.just(Usage(2, 3)))
    call.slot = draw(st.none() | st.just("slot-0"))
    return call


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    trace = Trace(plan=draw(st.none() | st.just(plan_expert("a"))), total_ms=12_000.0, status=200)
    if draw(st.booleans()):
        trace.decision = Decision("r", (("a", 1.0),), "because")
        trace.decided, trace.route_ms = draw(MOMENTS), draw(st.floats(0, 50))
    trace.aggregating = draw(st.none() | MOMENTS)
    trace.made = draw(st.lists(calls(), max_size=6))
    trace.error = draw(st.none() | st.just("expert_lost"))
    return trace


def _context(route: str = "") -> RequestContext:
    identity = Identity("1" * 32, "2" * 16, 1, span_id="3" * 16)
    request = Request("r-1", "chat/completions", BODY)
    return RequestContext(request, "pool/auto", started=99.0, identity=identity, route=route)


@given(traces(), st.sampled_from(["", "/v1/messages"]))
def test_spans_are_a_tree_below_the_request(trace: Trace, route: str) -> None:
    root, *rest = spans_of(_context(route), trace, 10**18)
    assert (root.span_id, root.parent_id) == ("3" * 16, "2" * 16)
    assert (root.kind, root.name) == (
        ("server", f"POST {route}") if route else ("internal", "batch chat")
    )
    ids = {root.span_id, *(span.span_id for span in rest)}
    assert all(span.parent_id in ids for span in rest)
    asked = [call for call in trace.made if call.sent is not None]
    assert sum(span.kind == "client" for span in rest) == len(asked)
    assert sum(span.name.startswith("queue ") for span in rest) == len(trace.made)
    for span in (root, *rest):
        assert 10**18 <= span.start_ns <= span.end_ns
        assert all(isinstance(v, str | int | float | tuple) for v in span.attributes.values())
        assert SECRET not in str(span)
    inner = [span for span in rest if not span.name.startswith("route")]
    assert all(root.start_ns <= s.start_ns and s.end_ns <= root.end_ns + 10**6 for s in inner)


def test_a_tagger_is_called_within_the_decision() -> None:
    trace = Trace(decided=101.0, route_ms=1000.0, decision=Decision("r", (("a", 1.0),), ""))
    tagger, member = Call("a", began=100.5, sent=100.6), Call("b", began=101.5, sent=101.6)
    trace.made, trace.aggregating, trace.total_ms = [tagger, member], 101.2, 5000.0
    named = {span.name: span for span in spans_of(_context(), trace, 0)}
    assert named["chat a"].parent_id == named["route r"].span_id
    assert named["chat b"].parent_id == named["aggregate panel"].span_id


def test_what_waits_for_the_collector_holds_no_messages() -> None:
    kept = without_texts(_context())
    assert dict(kept.request.body) == {"temperature": 1}
    assert kept.identity == _context().identity
