"""The files of deploy/compose, as `docker compose` reads them."""

import re
from typing import Any

import yaml
from repository import ROOT

FOLDER = ROOT / "deploy" / "compose"
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::(?P<how>[-?])(?P<word>[^}]*))?\}")


def text_of(name: str) -> str:
    """A file of the folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def tree_of(name: str) -> Any:
    """A YAML file of the folder."""
    return yaml.safe_load(text_of(name))


def services() -> dict[str, dict[str, Any]]:
    """Every service with its keys."""
    found: dict[str, dict[str, Any]] = tree_of("compose.yaml")["services"]
    return found


def variables() -> dict[str, str | None]:
    """What compose.yaml reads of the environment: by name the default, or None where it must be."""
    return {
        match[1]: match["word"] if match["how"] == "-" else None
        for match in _VARIABLE.finditer(text_of("compose.yaml"))
    }


def filled(value: str) -> str:
    """A value with the defaults of its variables; what must be given is `given`."""
    return _VARIABLE.sub(lambda m: m["word"] if m["how"] == "-" else "given", value)


def settings() -> dict[str, str]:
    """The variables that env.example names, with those that stand in comments."""
    lines = (line.removeprefix("# ") for line in text_of("env.example").splitlines())
    pairs = (line.partition("=") for line in lines)
    return {name: value for name, equals, value in pairs if equals and name.isupper()}
