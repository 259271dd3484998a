"""When the network is used for a model, and what is said where it cannot be had."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from experts.vllm.hub import Hub, Offline, accepts, cached, stays_offline


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--org--known" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("offline", "models", "stays"),
    [
        ("auto", ("/a/folder", "org/known"), True),
        ("auto", ("/a/folder", "org/unknown"), False),
        (True, ("org/unknown",), True),
        (False, ("/a/folder",), False),
    ],
)
def test_auto_downloads_only_what_is_not_here(
    cache: Path, offline: Offline, models: tuple[str, ...], stays: bool
) -> None:
    assert stays_offline(offline, models) is stays


def test_a_model_in_the_cache_is_known(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cached("org/known")
    assert not cached("org/unknown")
    hub = Hub(0.1)
    hub.fetch_config("org/known")
    hub.fetch_config("/a/folder")


def test_without_the_network_a_model_is_refused_in_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RuntimeError, match=r"slots\.offline: false") as caught:
        Hub(0.1).fetch_config("org/unknown")
    assert "\n" not in str(caught.value)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine where something accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free_port(port: int) -> int:
    """One where nothing does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
    return found


def test_whether_a_host_accepts_connections(port: int, free_port: int) -> None:
    assert accepts("127.0.0.1", port, 5)
    assert not accepts("127.0.0.1", free_port, 5)


def test_an_address_that_takes_for_ever_to_find_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end, ended = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        end.wait(30)
        ended.set()
        raise OSError

    monkeypatch.setattr(socket, "create_connection", slow)
    assert not accepts("hub.test", 443, 0.01)
    end.set()
    assert ended.wait(5)


def test_a_hub_that_does_not_answer_is_asked_once_in_a_while(
    cache: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    asked: list[tuple[str, int]] = []
    now = 100.0

    def silent(host: str, port: int, timeout_s: float) -> bool:
        asked.append((host, port))
        return False

    monkeypatch.setattr("experts.vllm.hub.accepts", silent)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hub = Hub(2, clock=lambda: now, keep_s=60)
    for _ in range(3):
        with pytest.raises(RuntimeError, match=r"does not answer within 2 s \(slots.hub_timeout_s"):
            hub.fetch_config("org/unknown")
    hub.fetch_config("org/known")  # From the cache, without asking for each of its files.
    assert constants.HF_HUB_OFFLINE
    assert asked == [("127.0.0.1", free_port)]
    now += 61
    hub.fetch_config("org/known")
    assert len(asked) == 2


def test_a_hub_behind_a_proxy_is_asked_through_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in ("HF_HUB_OFFLINE", "no_proxy", "NO_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.test")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    Hub(5).fetch_config("org/known")
    assert not constants.HF_HUB_OFFLINE
