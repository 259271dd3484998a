"""The scripts beside the Dockerfile, with programs that tell what they were asked."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from repository import ROOT

DOCKER = ROOT / "deploy" / "docker"
TELLS = '#!/bin/sh\n[ "$1" != info ] || exit {info}\necho "$(basename "$0") $*"\n'


def _program(folder: Path, name: str, info: int = 0) -> None:
    file = folder / name
    file.write_text(TELLS.format(info=info), encoding="utf-8")
    file.chmod(0o755)


def _run(script: str, folder: Path, *arguments: str, **given: str) -> tuple[int, str]:
    """With the tools of the system, and the programs of the folder instead of a builder's."""
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), **given}
    command = ["sh", str(DOCKER / script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("engine", ["cpu", "cuda"])
def test_an_image_is_built_from_this_commit(engine: str, tmp_path: Path) -> None:
    _program(tmp_path, "docker", info=1)  # The client is there, and no daemon.
    _program(tmp_path, "podman")
    code, said = _run("image.sh", tmp_path, IMAGE_ENGINE=engine, TORCH_INDEX="https://index")
    command = [str(shutil.which("git")), "rev-parse", "HEAD"]
    head = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert code == 0
    for words in (
        "podman build --file deploy/docker/Dockerfile",
        f"-{engine} ",
        f"--build-arg ENGINE={engine}",
        f"REVISION={head.stdout.strip()}",
        "TORCH_INDEX=https://index",
        "--format docker",
    ):
        assert words in said
    assert "PIP_INDEX_URL" not in said


def test_docker_is_taken_where_its_daemon_answers(tmp_path: Path) -> None:
    _program(tmp_path, "docker")
    assert "docker build" in _run("image.sh", tmp_path, IMAGE="mine:1")[1]


def test_an_engine_that_there_is_not(tmp_path: Path) -> None:
    code, said = _run("image.sh", tmp_path, IMAGE_ENGINE="rocm")
    assert (code, "cpu or cuda" in said) == (2, True)


def test_a_gateway_joins_the_cluster_without_room_for_slots_and_then_serves(
    tmp_path: Path,
) -> None:
    for name in ("ray", "coterie"):
        _program(tmp_path, name)
    code, said = _run("gateway.sh", tmp_path, "--config", "p.yaml", RAY_HEAD="head:6379")
    joined, serves = said.splitlines()
    assert code == 0
    assert joined.startswith("ray start --address=head:6379 --num-cpus=0 --num-gpus=0")
    assert serves == "coterie serve --config p.yaml"


def test_a_gateway_without_a_cluster_says_so(tmp_path: Path) -> None:
    code, said = _run("gateway.sh", tmp_path)
    assert (code, "RAY_HEAD" in said) == (2, True)
