"""compose.yaml, brought up: its commands, files and checks, on hosts made of network namespaces.

Two gateways behind the balancer, over a slot on each place of a Ray cluster's worker, with Redis.
"""

import json
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hosts import Host, hosts, skip_unless_possible, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

GIVEN = {
    name: secrets.token_hex(32)
    for name in ("RAY_AUTH_TOKEN", "REDIS_PASSWORD", "COTERIE_ADMIN_KEY")
}
GATEWAYS = ("gateway-a", "gateway-b")
# Prometheus is not installed everywhere.
WATCHER = ("prometheus",) if shutil.which("prometheus") else ()
NAMES = ("redis", "ray-head", "ray-worker", *GATEWAYS, "balancer", *WATCHER)
ASKS = """
import json, sys, urllib.request, urllib.error
url, key, body, count = sys.argv[1:]
headers = {"content-type": "application/json"}
if key:
    headers["authorization"] = "Bearer " + key
for _ in range(int(count)):
    request = urllib.request.Request(url, body.encode() or None, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            print(json.dumps([answer.status, answer.read().decode()]))
    except urllib.error.HTTPError as error:
        print(json.dumps([error.code, error.read().decode()]))
    except OSError as error:
        print(json.dumps([0, str(error)]))
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    skip_unless_possible("redis-server", "caddy", "unshare", "nsenter")
    began = time.monotonic()
    with hosts(tmp_path_factory.mktemp("up"), *NAMES, given=GIVEN) as running:
        wait_until_ready(running)
        print(f"all of compose.yaml was ready after {time.monotonic() - began:.0f} s")
        yield running


def wait_until_ready(running: dict[str, Host]) -> None:
    for name in GATEWAYS:
        url = f"http://{name}:8000/health/readiness"
        until(lambda url=url: ask(running, url)[0][0] == 200, f"{name} to be ready")
    until(lambda: ask(running, "http://balancer:8000/health")[0][0] == 200, "the balancer")


def ask(
    running: dict[str, Host], url: str, body: str = "", count: int = 1, key: str = ""
) -> list[tuple[int, str]]:
    """Status and text of each answer, asked from the balancer's host."""
    done = running["balancer"].inside(sys.executable, "-c", ASKS, url, key, body, str(count))
    assert done.returncode == 0, done.stderr
    return [(status, text) for status, text in map(json.loads, done.stdout.splitlines())]


def chat(running: dict[str, Host], question: str, count: int = 1) -> list[tuple[int, str]]:
    body = {"model": "pool/auto", "messages": [{"role": "user", "content": question}]}
    url = "http://balancer:8000/v1/chat/completions"
    return ask(running, url, json.dumps(body), count, GIVEN["COTERIE_ADMIN_KEY"])


def test_a_question_is_answered_through_the_balancer(up: dict[str, Host]) -> None:
    ((status, text),) = chat(up, "What is 12 + 35?")
    assert status == 200, text
    answer: dict[str, Any] = json.loads(text)
    assert answer["choices"][0]["message"]["content"].strip() == "47"
    assert answer["coterie"]["expert"] == "arithmetic"


def test_nobody_gets_in_without_a_key_and_the_numbers_stay_inside(up: dict[str, Host]) -> None:
    assert ask(up, "http://balancer:8000/v1/models")[0][0] == 401
    assert ask(up, "http://balancer:8000/metrics")[0][0] == 404
    assert ask(up, "http://gateway-a:8000/metrics")[0][0] == 200


def test_both_gateways_answer_over_slots_of_the_worker(up: dict[str, Host]) -> None:
    assert {status for status, _ in chat(up, "What is 1 + 1?", 20)} == {200}
    for name in GATEWAYS:
        page = ask(up, f"http://{name}:8000/metrics")[0][1]
        assert 'coterie_requests_total{class="interactive",expert="arithmetic"' in page, name
        key = GIVEN["COTERIE_ADMIN_KEY"]
        pool = json.loads(ask(up, f"http://{name}:8000/coterie/pool", key=key)[0][1])
        assert [slot["up"] for slot in pool["slots"]] == [True, True]
        assert {slot["node"] for slot in pool["slots"]} == {"10.78.0.12"}


def test_the_doctor_finds_nothing_wrong_there(up: dict[str, Host]) -> None:
    done = up["gateway-b"].inside("coterie", "doctor", "-c", "/etc/coterie/pool.yaml", "--json")
    told = {one["about"]: one for one in json.loads(done.stdout)}
    assert (done.returncode, told["ray"]["level"]) == (0, "ok"), done.stdout
    assert "4 nodes" in told["ray"]["found"]
    assert "ray token" not in told
    assert told["store"]["level"] == told["port 8000"]["level"] == "ok"
    # Both places are taken by the slots that run.
    assert "nodes have room for 2" in told["ray room"]["found"]


def test_prometheus_reaches_both_gateways(up: dict[str, Host]) -> None:
    if not WATCHER:
        pytest.skip("prometheus is not installed (it is a package of Debian)")
    wanted = {f"{name}:8000" for name in GATEWAYS}

    def reached() -> bool:
        targets = of_prometheus(up, "targets").get("activeTargets", ())
        healths = {target["labels"]["instance"]: target["health"] for target in targets}
        return all(healths.get(target) == "up" for target in wanted)

    def slots_up() -> bool:
        """Two slots, and both gateways tell of both; a scrape counts a moment after its health."""
        found = of_prometheus(up, "query?query=sum(coterie_slot_up)").get("result", ())
        return [one["value"][1] for one in found] == ["4"]

    until(reached, "every target to be up")
    until(slots_up, "the slots in Prometheus")


def of_prometheus(running: dict[str, Host], path: str) -> dict[str, Any]:
    """What its API says; empty where it gives no answer yet."""
    ((status, text),) = ask(running, f"http://prometheus:9090/api/v1/{path}")
    data: dict[str, Any] = json.loads(text)["data"] if status == 200 else {}
    return data


def test_a_gateway_that_dies_costs_its_own_requests_alone(up: dict[str, Host]) -> None:
    up["gateway-a"].kill()
    assert [status for status, _ in chat(up, "What is 2 + 2?", 20)] == [200] * 20
