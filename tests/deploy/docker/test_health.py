"""Whether a container is well, by what runs in it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from repository import ROOT

from deploy.docker.health import answers, runs

SCRIPT = ROOT / "deploy/docker/health.py"


class _Gateway(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Gateway) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_gateway_that_answers(url: str) -> None:
    assert answers(f"{url}/health")
    assert not answers(f"{url}/other")
    assert not answers("http://127.0.0.1:1/health")


def test_a_process_by_its_name() -> None:
    assert runs(Path(f"/proc/{os.getpid()}/comm").read_text(encoding="utf-8").strip())
    assert not runs("no-such-process")


def test_the_exit_code_is_the_verdict(url: str) -> None:
    command = [sys.executable, "-I", "-S", str(SCRIPT)]
    assert subprocess.run([*command, f"{url}/health"], timeout=30).returncode == 0
    done = subprocess.run([*command, "gcs_server_of_nobody"], capture_output=True, timeout=30)
    assert (done.returncode, b"no such process" in done.stdout) == (1, True)
