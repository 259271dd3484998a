"""What Prometheus, Grafana and the collector of compose.yaml are told is there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from composed import FOLDER, services, text_of, tree_of
from dashboard import parsed, queries, uses
from repository import ROOT

SERVICES = services()
RULES = [rule for group in tree_of("alerts.yaml")["groups"] for rule in group["rules"]]
PROMETHEUS_OWN = {"up"}


def _targets(job: str) -> list[str]:
    (found,) = [j for j in tree_of("prometheus.yaml")["scrape_configs"] if j["job_name"] == job]
    return [target for group in found["static_configs"] for target in group["targets"]]


def test_every_gateway_is_scraped_and_asked() -> None:
    gateways = [f"{name}:8000" for name in SERVICES if name.startswith("gateway")]
    assert _targets("coterie") == gateways
    given = re.search(r"\{\$COTERIE_GATEWAYS:([^}]*)\}", text_of("Caddyfile"))
    assert given is not None
    assert given[1].split() == gateways


def test_every_target_is_a_service() -> None:
    for job in tree_of("prometheus.yaml")["scrape_configs"]:
        for target in _targets(job["job_name"]):
            assert target.partition(":")[0] in {*SERVICES, "localhost"}


def _known() -> dict[str, set[str]]:
    """Metrics of the dashboard, whose queries another test holds against the real page."""
    found: dict[str, set[str]] = {}
    for _, query in queries():
        for use in uses(parsed(query)):
            found.setdefault(use.metric, set()).update(use.labels)
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    asked = {use.metric for use in uses(parsed(rule["expr"]))}
    assert asked
    assert asked - _known().keys() <= PROMETHEUS_OWN
    assert rule["labels"]["severity"] in ("page", "ticket")
    shown = {*re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])}
    grouped = {label for use in uses(parsed(rule["expr"])) for label in use.labels}
    assert shown - grouped <= {"instance"}


def test_promtool_agrees() -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    for what, name in (("config", "prometheus.yaml"), ("rules", "alerts.yaml")):
        command = [program, "check", what, str(FOLDER / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_the_dashboard_and_the_numbers() -> None:
    grafana = SERVICES["grafana"]
    mounted = {
        target: source for source, target, _ in (v.split(":") for v in grafana["volumes"][:2])
    }
    assert mounted["/var/lib/grafana/dashboards/coterie.json"] == "../grafana/coterie.json"
    provisioned = ROOT / "deploy/grafana/provisioning"
    assert (FOLDER / mounted["/etc/grafana/provisioning"]).resolve() == provisioned
    assert "/var/lib/grafana/dashboards" in (provisioned / "dashboards/coterie.yaml").read_text()
    source = (provisioned / "datasources/prometheus.yaml").read_text()
    (variable,) = re.findall(r"url: \$\{(\w+)\}", source)
    assert grafana["environment"][variable] == "http://prometheus:9090"


def test_the_collector_has_every_part_that_its_pipelines_name() -> None:
    tree = tree_of("otel-collector.yaml")
    for pipeline in tree["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert {*pipeline[kind]} <= tree[kind].keys()
    # Memory is looked at first, and lines are gathered last.
    assert tree["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "batch"]


def test_gateways_send_their_spans_to_the_port_that_the_collector_has() -> None:
    http = tree_of("otel-collector.yaml")["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    sent = tree_of("pool.yaml")["traces"]["otlp"]["endpoint"]
    assert sent.rpartition(":")[2] == http.rpartition(":")[2]
    (reader,) = tree_of("otel-collector.yaml")["service"]["telemetry"]["metrics"]["readers"]
    port = reader["pull"]["exporter"]["prometheus"]["port"]
    assert _targets("otel-collector") == [f"otel-collector:{port}"]


def test_the_folder_has_nothing_that_nobody_reads() -> None:
    text = text_of("compose.yaml") + text_of("prometheus.yaml") + text_of("secrets.sh")
    known = {"compose.yaml", ".env"}
    files = {path.name for path in Path(FOLDER).iterdir()} - known
    assert [name for name in sorted(files) if name not in text] == []
