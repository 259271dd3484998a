"""When the network is used for a model, and what is said where it cannot be had."""

from pathlib import Path

import pytest

from experts.vllm.hub import Offline, cached, fetch_config, stays_offline


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


def test_a_model_in_the_cache_is_known(cache: Path) -> None:
    assert cached("org/known")
    assert not cached("org/unknown")
    fetch_config("org/known")
    fetch_config("/a/folder")


def test_without_the_network_a_model_is_refused_in_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RuntimeError, match=r"slots\.offline: false") as caught:
        fetch_config("org/unknown")
    assert "\n" not in str(caught.value)
