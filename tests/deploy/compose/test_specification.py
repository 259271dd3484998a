"""compose.yaml is what the Compose specification describes, by a strict parser of it."""

import json
import subprocess
from copy import deepcopy
from typing import Any

import pytest
from composed import filled, tree_of
from tools import tool

PARSES = """
import sys
from compose_spec import PyCompose
try:
    PyCompose.from_json(sys.stdin.read()).validate()
except ValueError as error:
    print(error)
"""
TREE: dict[str, Any] = json.loads(filled(json.dumps(tree_of("compose.yaml"))))


def _mistake(tree: dict[str, Any]) -> str:
    """The first one; unknown keys and networks that nobody defines are some."""
    command = [str(tool("python")), "-c", PARSES]
    done = subprocess.run(
        command, input=json.dumps(tree), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_follows_the_specification() -> None:
    assert _mistake(TREE) == ""


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("restrat", "always", "restrat"),
        ("restart", "sometimes", "sometimes"),
        ("networks", ["bakc"], "bakc"),
        ("ports", ["http:80"], "http"),
        ("healthcheck.interval", "soon", "soon"),
        ("deploy.resources.limits.memory", "lots", "lots"),
    ],
)
def test_a_mistake_would_be_found(path: str, value: Any, named: str) -> None:
    wrong = deepcopy(TREE)
    *above, key = path.split(".")
    inner = wrong["services"]["redis"]
    for name in above:
        inner = inner[name]
    inner[key] = value
    assert named in _mistake(wrong)
