"""`coterie doctor` as people run it, on this machine."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_files import REMOTE, write_checkpoint
from typer.testing import CliRunner

from orchestrator.cli.doctor.command import examine, lines_of
from orchestrator.cli.doctor.finding import Level, fault, ok
from orchestrator.cli.main import app


def _written(folder: Path, **tree: Any) -> Path:
    file = folder / "pool.yaml"
    file.write_text(yaml.safe_dump({"experts": {"far": REMOTE}, **tree}), encoding="utf-8")
    return file


def _run(file: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", "-c", str(file), *options])
    return done.exit_code, done.output


def test_a_pool_that_can_run(tmp_path: Path) -> None:
    code, said = _run(_written(tmp_path, server={"port": 0}))
    assert code == 0, said
    assert f"{tmp_path}/pool.yaml is valid" in said
    assert "0 faults" in said.splitlines()[-1]


def test_json_has_the_same_lines(tmp_path: Path) -> None:
    file = _written(tmp_path, server={"port": 0}, store="memory")
    code, said = _run(file, "--json")
    told = {one["about"]: one for one in json.loads(said)}
    assert (code, told["store"]["level"], told["configuration"]["level"]) == (0, "warning", "ok")
    assert told["store"]["advice"]


def test_every_mistake_of_a_configuration_is_a_fault_and_the_machine_is_told_of_anyway(
    tmp_path: Path,
) -> None:
    law = {"type": "vllm", "model": str(write_checkpoint(tmp_path / "law"))}
    (tmp_path / "law" / "model.safetensors").unlink()
    file = _written(tmp_path, experts={"law": law, "far": REMOTE}, server={"prot": 1})
    code, said = _run(file, "--json")
    faults = {one["about"]: one["found"] for one in json.loads(said) if one["level"] == "fault"}
    assert code == 1
    assert "has no weights" in faults["experts.law.model"]
    assert "server.prot" in faults
    assert '"python"' in said
    assert "not looked at: memory, ports" in said


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    code, said = _run(tmp_path / "none.yaml")
    assert code == 1
    assert "FAULT   configuration" in said


def test_a_port_that_is_taken_and_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.cli.doctor.ports.PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        file = _written(tmp_path, server={"port": port}, store="redis://127.0.0.1:1/0")
        faults = {found.about for found in examine(file) if found.level is Level.FAULT}
    assert faults == {f"port {port}", "store"}


def test_what_to_do_stands_below_what_is_wrong() -> None:
    lines = list(lines_of([ok("python", "3.11"), fault("disk", "full", "Make room.")]))
    assert lines == [
        "ok      python  3.11",
        "FAULT   disk    full",
        "                -> Make room.",
        "1 fault, 0 warnings, 1 ok",
    ]


@pytest.mark.parametrize("option", ["--json", "--config"])
def test_the_help_names_its_options(option: str) -> None:
    assert option in CliRunner().invoke(app, ["doctor", "--help"]).output
