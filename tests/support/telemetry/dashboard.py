"""The queries of the Grafana dashboard, as Prometheus' own grammar reads them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser
from prometheus_client.parser import text_string_to_metric_families
from repository import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "coterie.json"
TARGETS_OWN = frozenset({"instance", "job"})
"""Labels that Prometheus adds to what it scrapes."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a query asks of a metric: labels that it selects or groups by."""

    metric: str
    labels: frozenset[str]


def dashboard() -> dict[str, Any]:
    """The file."""
    tree: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return tree


def queries() -> list[tuple[str, str]]:
    """The title of each panel, with each of its queries."""
    return [(p["title"], t["expr"]) for p in dashboard()["panels"] for t in p.get("targets", ())]


def legend_labels(panel: Mapping[str, Any]) -> list[set[str]]:
    """Of each query of a panel, the labels that its legend shows."""
    return [set(re.findall(r"{{(\w+)}}", t["legendFormat"])) for t in panel.get("targets", ())]


def parsed(query: str) -> promql_parser.Expr:
    """A query with Grafana's variables filled in. Raises ValueError where it is not PromQL."""
    filled = query.replace("$__rate_interval", "1m").replace("$expert", ".*")
    return promql_parser.parse(filled)


def uses(expression: promql_parser.Expr, grouped: frozenset[str] = frozenset()) -> Iterator[Use]:
    """What a query asks of each metric in it."""
    match expression:
        case promql_parser.VectorSelector():
            matched = {matcher.name for matcher in expression.matchers.matchers}
            yield Use(expression.name or "", grouped | matched)
        case promql_parser.MatrixSelector():
            yield from uses(expression.vector_selector, grouped)
        case promql_parser.AggregateExpr():
            modifier = expression.modifier
            own = frozenset(modifier.labels) if modifier is not None else frozenset()
            yield from uses(expression.expr, grouped | own)
        case promql_parser.Call():
            for argument in expression.args:
                yield from uses(argument, grouped)
        case promql_parser.BinaryExpr():
            yield from uses(expression.lhs, grouped)
            yield from uses(expression.rhs, grouped)
        case promql_parser.ParenExpr():
            yield from uses(expression.expr, grouped)
        case promql_parser.NumberLiteral():
            pass
        case _:
            raise TypeError(f"unknown part of a query: {expression!r}")


def labels_on(page: str) -> dict[str, frozenset[str]]:
    """Metric -> the labels of its samples, on a page in Prometheus' text format."""
    return {
        sample.name: frozenset(sample.labels) | TARGETS_OWN
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
