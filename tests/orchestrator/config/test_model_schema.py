"""The JSON schema, which editors use, says what the model says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from config_files import REMOTE
from pydantic import BaseModel
from repository import ROOT

from aggregators.registry import AGGREGATORS, aggregator_class
from orchestrator.config.model import Config
from routers.registry import ROUTERS, router_class


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_schema_accepts_the_examples(path: Path) -> None:
    schema = json.loads(json.dumps(Config.model_json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def _described(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Every key below a model with its description."""
    for name, field in model.model_fields.items():
        key = f"{path}{field.alias or name}"
        yield key, field.description or ""
        for inner in _models(field.annotation):
            yield from _described(inner, f"{key}.")


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)


def _all_keys() -> dict[str, str]:
    keys = dict(_described(Config))
    families: Any = ((ROUTERS, router_class), (AGGREGATORS, aggregator_class))
    for kinds, find in families:
        for name in kinds:
            keys |= dict(_described(find(name).Config, f"{name}."))
            del keys[f"{name}.type"]
    return keys


def test_every_key_is_described_by_a_sentence() -> None:
    keys = _all_keys()
    assert {"version", "server.host", "compositions.budget.calls", "knn.coverage.action"} <= set(
        keys
    )
    wrong = {
        key: words
        for key, words in keys.items()
        if not words.endswith(".") or not (words[0].isupper() or words[0] in "`1" or "LLM" in words)
    }
    assert wrong == {}


def test_the_schema_refuses_an_unknown_key() -> None:
    tree = {"experts": {"a": {**REMOTE, "modle": 1}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, Config.model_json_schema())
