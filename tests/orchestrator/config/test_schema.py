"""The JSON schema, which editors use, says what the model says."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from config_files import REMOTE
from repository import ROOT

from orchestrator.config.model import Config


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_schema_accepts_the_examples(path: Path) -> None:
    schema = json.loads(json.dumps(Config.model_json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


def test_the_schema_refuses_an_unknown_key() -> None:
    tree = {"experts": {"a": {**REMOTE, "modle": 1}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, Config.model_json_schema())
