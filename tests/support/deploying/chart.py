"""The chart of deploy/helm, with the values that its tests give it."""

import json
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from repository import ROOT
from tools import tool

CHART = ROOT / "deploy" / "helm" / "coterie"
PLAIN, EVERYTHING = "plain", "everything"


def merged(base: Any, more: Any) -> Any:
    """As Helm lays values over each other: mappings into mappings, all else replaced."""
    if not isinstance(base, Mapping) or not isinstance(more, Mapping):
        return more
    both = {key: merged(base[key], more[key]) for key in base.keys() & more.keys()}
    return {**base, **more, **both}


def values(name: str, *more: Mapping[str, Any]) -> dict[str, Any]:
    """The chart's own values, those of a file in ci/ over them, and then others."""
    tree = _read(CHART / "values.yaml")
    for layer in (_read(CHART / "ci" / f"{name}-values.yaml"), *more):
        tree = merged(tree, layer)
    return dict(tree)


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def _validator() -> Any:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def mistakes(tree: Mapping[str, Any]) -> list[str]:
    """Where the schema finds something wrong in values."""
    return [".".join(map(str, error.absolute_path)) for error in _validator().iter_errors(tree)]


_RENDERS = """
import json, sys
from helm_python import Chart
folder, release, values = sys.argv[1], sys.argv[2], json.load(sys.stdin)
try:
    chart = Chart.load(folder)
    chart.validate_schema(values)
    print(json.dumps(chart.render(values, name=release, namespace="models")))
except Exception as error:
    raise SystemExit(f"{error}")
"""
_LINTS = """
import json, sys
from helm_python import lint
print(json.dumps(lint(sys.argv[1], json.load(sys.stdin)), default=str))
"""


def rendered(tree: Mapping[str, Any], release: str = "llm") -> list[dict[str, Any]]:
    """What Helm makes of values. Raises ValueError with Helm's words where it refuses them."""
    texts = _texts(json.dumps(tree), release)
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


@cache  # Helm's library takes a second to load.
def _texts(written: str, release: str) -> list[str]:
    done = _helm(_RENDERS, written, release)
    if done.returncode:
        raise ValueError(done.stderr)
    return [text for name, text in json.loads(done.stdout).items() if name.endswith(".yaml")]


def linted(tree: Mapping[str, Any]) -> Any:
    """What `helm lint` says of the chart with values."""
    done = _helm(_LINTS, json.dumps(tree))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _helm(program: str, written: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a program with Helm's own library, in the environment of `make tools`."""
    command = [str(tool("python")), "-c", program, str(CHART), *words]
    return subprocess.run(command, input=written, capture_output=True, text=True, timeout=60)


def at(path: str, value: Any) -> dict[str, Any]:
    """Values with one of them, by its path."""
    first, dot, rest = path.partition(".")
    return {first: at(rest, value) if dot else value}


def kinds(manifests: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The manifests by their kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in manifests:
        found.setdefault(one["kind"], []).append(one)
    return found


def pod_specs(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every pod that is made, by its component: its labels and its spec."""
    found: dict[str, dict[str, Any]] = {}
    for one in manifests:
        spec = one.get("spec", {})
        templates = [spec.get("template"), spec.get("headGroupSpec", {}).get("template")]
        templates += [group["template"] for group in spec.get("workerGroupSpecs", ())]
        for template in filter(None, templates):
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
    return found
