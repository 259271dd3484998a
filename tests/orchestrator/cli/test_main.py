"""The command line: what it prints, and the exit code of every kind of mistake."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator.cli.main import main

REMOTE = {"type": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m", "about": "adds"}
POOL = {
    "experts": {"far": REMOTE, "other": REMOTE},
    "routers": {"one": {"type": "static", "expert": "far"}},
    "compositions": {"pool/auto": {"router": "one", "about": "asks far"}},
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], str]:
    """Writes a configuration and returns its path."""

    def write_file(tree: Any) -> str:
        path = tmp_path / "pool.yaml"
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
        return str(path)

    return write_file


@pytest.fixture
def coterie(
    logging_state: None, monkeypatch: Any, capsys: Any
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process: exit code, output, errors."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["coterie", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def test_a_right_file_is_told_so(coterie: Any, write: Any) -> None:
    code, out, _ = coterie("validate", write(POOL))
    assert code == 0
    assert out.endswith("pool.yaml is valid: 2 experts, 1 composition\n")


def test_every_mistake_is_one_line_with_its_path(coterie: Any, write: Any) -> None:
    tree = {**POOL, "server": {"prot": 1, "host": 3}}
    code, out, err = coterie("validate", write(tree))
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].endswith("pool.yaml has 2 mistakes.")
    assert {line.partition(": ")[0] for line in lines[1:]} == {"  server.prot", "  server.host"}


def test_files_of_routers_that_are_missing_are_named(coterie: Any, write: Any) -> None:
    tree = {**POOL, "routers": {"one": {"type": "knn", "outcomes": "./none.parquet"}}}
    code, _, err = coterie("validate", write(tree))
    assert code == 2
    assert "routers.one.outcomes" in err


def test_a_missing_file_is_one_line(coterie: Any, tmp_path: Path) -> None:
    code, _, err = coterie("validate", str(tmp_path / "none.yaml"))
    assert code == 2
    assert err.count("\n") == 1
    assert "there is no such file" in err


def test_a_mistake_leaves_no_traceback(write: Any) -> None:
    command = [sys.executable, "-m", "orchestrator", "validate", write({"experts": {"a": 3}})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "experts.a" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_lists_compositions_and_experts(coterie: Any, write: Any) -> None:
    code, out, _ = coterie("models", "--config", write(POOL))
    rows = [line.split() for line in out.splitlines()]
    assert code == 0
    assert ["pool/auto", "router", "one", "asks", "far"] in rows
    assert ["far", "openai", "adds"] in rows


@pytest.mark.parametrize("about", ["reads [red] ink", "closes [/b] tags"])
def test_models_prints_square_brackets_as_they_are(coterie: Any, write: Any, about: str) -> None:
    tree = {"experts": {"far": {**REMOTE, "about": about}}}
    _, out, _ = coterie("models", "--config", write(tree))
    assert about in out


def test_the_schema_fits_the_file(coterie: Any) -> None:
    code, out, _ = coterie("schema")
    schema = json.loads(out)
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(POOL, schema)


def test_route_tells_who_would_answer_and_why(coterie: Any, write: Any) -> None:
    code, out, _ = coterie("route", "2 + 2?", "--config", write(POOL))
    assert code == 0
    assert "ask far" in out
    assert "far is configured to answer everything." in out


def test_route_prints_json(coterie: Any, write: Any) -> None:
    _, out, _ = coterie("route", "2 + 2?", "--json", "--config", write(POOL))
    answer = json.loads(out)
    assert (answer["plan"], answer["scores"]) == ("far", {"far": 1.0})


def test_route_tells_that_a_mixture_is_not_routed(coterie: Any, write: Any) -> None:
    model = ("--model", "pool/one+likelihood")
    code, _, err = coterie("route", "2 + 2?", *model, "--config", write(POOL))
    assert code == 2
    assert "pool/one+likelihood asks far" in err
    assert "nothing is routed" in err


def test_route_names_the_compositions_that_there_are(coterie: Any, write: Any) -> None:
    code, _, err = coterie("route", "2 + 2?", "--model", "pool/x", "--config", write(POOL))
    assert code == 2
    assert "The model `pool/x` does not exist." in err
    assert "Known models: pool/auto" in err


def test_a_port_that_is_taken_is_one_line(coterie: Any, write: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = coterie("serve", "--config", write(POOL), "--port", port)
    assert code == 1
    assert err.splitlines() == [
        f"error: Cannot listen on 127.0.0.1:{port}: Address already in use."
        " Choose another one with --port or server.port."
    ]


def test_a_port_that_does_not_exist_is_refused(coterie: Any, write: Any) -> None:
    code, _, err = coterie("serve", "--config", write(POOL), "--port", "70000")
    assert code in (1, 2)
    assert "70000" in err


def test_a_folder_that_hides_our_packages_is_refused(
    coterie: Any, write: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "experts").mkdir()
    (tmp_path / "experts" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    code, _, err = coterie("serve", "--config", write(POOL))
    assert code == 1
    assert "has a Python package `experts`" in err


@pytest.mark.parametrize("command", [("route", "hi"), ("models",)])
def test_where_the_default_file_is_missing_the_option_is_named(
    coterie: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = coterie(*command)
    assert code == 2
    assert "examples/zoo.yaml: there is no such file." in err
    assert "`--config FILE`" in err
