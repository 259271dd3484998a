"""Answers on disk: kept one by one, shared, and refused where the file is not ours or not whole."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT

from evals.runs.asking.cache import AnswerCache, NewAnswer, default_cache
from evals.runs.asking.keys import call_key, is_drawn
from evals.runs.record import LoadEvent, Tokens
from experts.errors import ConfigError
from experts.files.versions import answer_versions
from experts.types import Request
from orchestrator.config.model import Config

RESPONSE = {"choices": [{"message": {"content": "x\u2028y"}, "logprobs": {"content": []}}]}


def answer(number: int = 0, run: str = "r", text: str = "") -> NewAnswer:
    key = number.to_bytes(32, "big")
    response = {**RESPONSE, "text": text or str(number)}
    tokens = Tokens(prompt=3, completion=number)
    return NewAnswer(key, "v1", "alpha", response, 0.5, tokens, run, float(number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.sqlite"


def test_what_was_put_is_found_whole_by_another_process(path: Path) -> None:
    cache, other = AnswerCache(path), AnswerCache(path)
    cache.put(answer(1))
    found = other.get(answer(1).key)
    assert found is not None
    assert found.response == answer(1).response
    assert (found.seconds, found.run) == (0.5, "r")
    assert other.get(answer(2).key) is None
    cache.close()
    other.close()


def test_the_first_of_two_answers_counts(path: Path) -> None:
    one, two = AnswerCache(path), AnswerCache(path)
    one.put(answer(1, "first", "a"))
    kept = two.put(answer(1, "second", "b"))
    assert (kept.response["text"], kept.run) == ("a", "first")
    one.close()
    two.close()


def test_a_run_knows_what_it_asked_and_when(path: Path) -> None:
    cache = AnswerCache(path)
    for number in (1, 2):
        cache.put(answer(number))
    cache.put(answer(9, run="other"))
    assert cache.asked("r")["alpha"] == (2, Tokens(prompt=6, completion=3))
    assert cache.clock_s("r") == 2.0
    load = LoadEvent(expert="alpha", slot="slot-0", at_s=4.0, seconds=1.5)
    cache.add_load("r", load)
    assert cache.loads("r") == (load,)
    assert cache.loads("other") == ()
    assert cache.clock_s("r") == 4.0
    assert cache.clock_s("nobody") == 0.0
    assert cache.costs("alpha", "v1") == {"load_s": 1.5, "service_s": 0.5}
    assert cache.costs("beta", "v2") == {}
    cache.close()


def test_a_foreign_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE cookies (name TEXT)")
    base.commit()
    base.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="another program's file"):
        AnswerCache(path)
    assert path.read_bytes() == before


def test_a_later_format_is_refused(path: Path) -> None:
    AnswerCache(path).close()
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 99")
    base.commit()
    base.close()
    with pytest.raises(ConfigError, match="format 99"):
        AnswerCache(path)


def test_a_file_that_is_no_database_is_damaged(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("no database at all, and long enough to have a header of one" * 20)
    with pytest.raises(ConfigError, match="damaged"):
        AnswerCache(path)


def test_a_file_with_a_torn_middle_is_damaged(path: Path) -> None:
    cache = AnswerCache(path)
    for number in range(400):
        cache.put(answer(number, text="x" * 300))
    cache.close()
    raw = bytearray(path.read_bytes())
    raw[4096 : len(raw) - 4096] = b"\xff" * (len(raw) - 8192)
    path.write_bytes(raw)
    with pytest.raises(ConfigError, match="damaged"):
        read_all(path, 400)


def read_all(path: Path, count: int) -> None:
    cache = AnswerCache(path)
    for number in range(count):
        cache.get(answer(number).key)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="cannot hold a cache"):
        AnswerCache(file / "answers.sqlite")


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        AnswerCache(tmp_path)  # A folder, not a file.


def test_a_folder_where_nothing_can_be_made_is_named() -> None:
    # Not even root may make a file there.
    with pytest.raises(ConfigError, match="cannot be written"):
        AnswerCache(Path("/proc/answers.sqlite"))


FILL = """
import resource, sys
from pathlib import Path
from evals.runs.asking.cache import AnswerCache, NewAnswer
from evals.runs.record import Tokens
from experts.errors import ServiceError
cache = AnswerCache(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
number = 0
try:
    while number < 10_000:
        key = number.to_bytes(32, "big")
        cache.put(NewAnswer(key, "v", "a", {"t": "x" * 500}, 0.1, Tokens(), "r", 0.0))
        number += 1
except ServiceError as error:
    print(number, error)
"""


def test_nothing_is_lost_where_the_disk_is_full(path: Path) -> None:
    """A limit on the size of files fails writes as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        check=True,
    )
    number, _, words = done.stdout.partition(" ")
    assert 10 < int(number) < 10_000
    assert "cannot grow" in words
    assert "run the same command again" in words
    cache = AnswerCache(path)
    assert all(cache.get(n.to_bytes(32, "big")) is not None for n in range(int(number)))
    cache.put(answer(20_000))
    cache.close()


def test_the_users_cache_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "coterie" / "answers.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert default_cache() == Path("/somebody/.cache/coterie/answers.sqlite")


bodies = st.dictionaries(
    st.text(max_size=5), st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=5))
)


@given(bodies, st.text(max_size=5))
def test_a_key_depends_on_everything_but_the_order(body: dict[str, object], version: str) -> None:
    request = Request("1", "chat/completions", body)
    turned = Request("2", "chat/completions", dict(reversed(body.items())))
    key = call_key(version, request)
    assert call_key(version, turned) == key
    assert len(key) == 32
    others = {
        call_key(version + "x", request),
        call_key(version, Request("1", "completions", body)),
        call_key(version, Request("1", "chat/completions", {**body, "longer key": 1})),
        call_key(version, request, 1),
    }
    assert key not in others
    assert len(others) == 4


@pytest.mark.parametrize(
    ("body", "drawn"),
    [
        ({"temperature": 0}, False),
        ({"temperature": 0.5}, True),
        ({"temperature": 0.5, "seed": 0}, False),
        ({}, True),
    ],
)
def test_what_is_drawn_anew(body: dict[str, object], drawn: bool) -> None:
    assert is_drawn(Request("1", "chat/completions", body)) is drawn


def test_how_an_engine_runs_is_part_of_its_experts_versions(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    def versions(**args: object) -> dict[str, str]:
        base = {"type": "vllm", "model": str(tmp_path), "engine_args": args}
        role = {"type": "vllm", "same_as": "base", "model": str(tmp_path), "system": "Be short."}
        tree = {"experts": {"base": base, "role": role}}
        return answer_versions(Config.model_validate(tree).experts)

    plain, quantised = versions(), versions(quantization="fp8")
    assert plain["base"] != quantised["base"]
    assert plain["role"] != quantised["role"]
    assert plain["base"] != plain["role"]
    before = plain["base"]
    (tmp_path / "config.json").write_text(json.dumps({"layers": 2}))
    assert versions()["base"] != before
