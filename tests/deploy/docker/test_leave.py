"""How a gateway leaves its balancer: asked with the key that it has, and waited for."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from config_files import REMOTE
from repository import ROOT
from service_process import started

from deploy.docker import leave

SCRIPT = ROOT / "deploy/docker/leave.py"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.slow
async def test_a_gateway_that_leaves_is_not_ready_any_more(tmp_path: Path) -> None:
    pool: dict[str, Any] = {
        "experts": {"far": REMOTE},
        "server": {"api_keys": {"ops": {"key": KEY, "admin": True}}},
        "store": "memory",
    }
    async with started(tmp_path, pool) as served:
        url = await served.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.get("/health/readiness")).status_code == 200
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(SCRIPT), url, "60"),
                env={**os.environ, "COTERIE_ADMIN_KEY": KEY},
            )
            assert await process.wait() == 0
            assert (await http.get("/health/readiness")).status_code == 503
            assert (await http.get("/health/liveness")).status_code == 200


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("busy_until", "patience", "left_at"), [(0, 60, 5.0), (20, 60, 20.0), (90, 60, 60.0)]
)
def test_it_waits_for_what_is_under_way_and_for_balancers(
    busy_until: float, patience: int, left_at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(leave, "time", clock)
    monkeypatch.setattr(leave, "drain", lambda *_: int(clock.now < busy_until))
    leave.main("http://127.0.0.1:1", str(patience))
    assert clock.now == left_at


def test_what_it_cannot_do_is_left_to_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    leave.main("http://127.0.0.1:1", "60")
    assert "the service drains by itself" in capsys.readouterr().err
