"""The Dockerfile keeps to what images should be, and finds what it copies."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from dockerfile import DOCKERFILE, environment, in_context, stages
from repository import ROOT
from tools import tool

from orchestrator.cli.doctor.engine import LIBRARIES

TEXT = DOCKERFILE.read_text(encoding="utf-8")
BEFORE, STAGES = stages(TEXT)
NAMES = {stage.name for stage in STAGES}
LAST = STAGES[-1]
ENGINES = ("cpu", "cuda")
DIGEST_OR_TAG = re.compile(r"docker\.io/library/python:3\.11-[a-z-]+(@sha256:[0-9a-f]{64})?")


def test_the_base_is_named_with_a_version_of_python_that_the_locks_are_for() -> None:
    (base,) = [one.rest for one in BEFORE if one.rest.startswith("BASE=")]
    assert DIGEST_OR_TAG.fullmatch(base.removeprefix("BASE="))


def test_every_stage_is_on_the_base_or_on_another_stage() -> None:
    for stage in STAGES:
        if stage.base == "engine-${ENGINE}":
            assert {f"engine-{engine}" for engine in ENGINES} <= NAMES
        else:
            assert stage.base in NAMES | {"${BASE}"}, stage


def test_it_runs_as_nobody_in_particular() -> None:
    (user,) = LAST.all("USER")
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", user)
    uid, gid = user.split(":")
    made = " ".join(rest for stage in STAGES for rest in stage.all("RUN"))
    assert f"--uid {uid} --gid {gid}" in made


def test_it_says_whether_it_is_well_with_a_program_that_it_has() -> None:
    (check,) = LAST.all("HEALTHCHECK")
    program, script = json.loads(check.partition(" CMD ")[2])
    assert program == "python"
    assert Path(script).name in {path.name for path in DOCKERFILE.parent.iterdir()}


def test_it_gets_signals_itself() -> None:
    for word in ("ENTRYPOINT", "CMD"):
        (given,) = LAST.all(word)
        assert isinstance(json.loads(given), list), "no shell between the service and its signals"


def test_what_it_is_stands_in_its_labels() -> None:
    (labels,) = LAST.all("LABEL")
    for name in ("title", "description", "licenses", "version", "revision", "base.name"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_nothing_is_fetched_but_by_package_managers() -> None:
    assert [stage for stage in STAGES if stage.all("ADD")] == []
    commands = " ".join(rest for stage in STAGES for rest in stage.all("RUN"))
    assert not re.search(r"\b(curl|wget|git clone)\b|https?://", commands)


def test_every_package_is_of_the_lock() -> None:
    commands = [rest for stage in STAGES for rest in stage.all("RUN") if "pip install" in rest]
    for words in re.findall(r"pip install ([^&]*)", " ".join(commands)):
        assert "--no-deps" in words
        assert re.search(r"-r (torch|lock)\.txt|/wheels/\*\.whl", words), words


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_copied_is_there_and_reaches_the_builder(engine: str) -> None:
    copied = [
        source
        for stage in STAGES
        for rest in stage.all("COPY")
        if "--from=" not in rest
        for source in [word for word in rest.split() if not word.startswith("--")][:-1]
    ]
    assert len(copied) > 8
    for source in copied:
        path = ROOT / source.replace("${ENGINE}", engine)
        assert path.exists(), source
        assert in_context(path), source


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        (".env", False),
        ("deploy/compose/.env", False),
        (".git/config", False),
        (".venv/bin/python", False),
        ("experts/__pycache__/spec.pyc", False),
        ("experts/spec.py", True),
        ("deploy/locks/cuda.txt", True),
    ],
)
def test_what_the_builder_sees(name: str, inside: bool) -> None:
    assert in_context(ROOT / name) is inside


def test_what_another_stage_made_is_copied() -> None:
    """Of a mount, buildah's cache takes no notice: a new version would ship the old code."""
    assert not [rest for stage in STAGES for rest in stage.all("RUN") if "from=" in rest]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_has_the_libraries_that_no_package_brings(engine: str) -> None:
    (stage,) = [one for one in STAGES if one.name == f"engine-{engine}"]
    installed = " ".join(stage.all("RUN")).split()
    assert {*LIBRARIES[engine].values()} <= {*installed}


def test_the_zoo_lies_where_the_image_says() -> None:
    zoo = environment(TEXT)["COTERIE_ZOO"]
    assert zoo.startswith("/opt/coterie/lib/python3.11/site-packages/")
    own = zoo.partition("site-packages/")[2]
    assert (ROOT / own / "weights").is_dir()
    assert (ROOT / own / "outcomes.parquet").is_file()


def test_hadolint_finds_nothing() -> None:
    command = [str(tool("hadolint")), "--no-color", str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
