"""Licences of models, as cards, configurations and files tell them."""

from pathlib import Path

import pytest
from repository import ROOT

from orchestrator.cli.doctor.finding import Level
from orchestrator.cli.doctor.licences import check_licence, licence_of

CARD = "---\nlicense: {}\ntags: [a]\n---\n# A model\n"
MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"README.md": CARD.format("apache-2.0")}, ("apache-2.0", "README.md")),
        ({"README.md": CARD.format("[mit]")}, ("mit", "README.md")),
        ({"README.md": CARD.format("other\nlicense_name: acme-1")}, ("acme-1", "README.md")),
        ({"README.md": "# no head\nlicense: mit\n"}, None),
        ({"README.md": "---\n{broken\n---\n", "LICENSE": MIT}, ("mit", "LICENSE")),
        ({"config.json": '{"license": "llama3.1"}'}, ("llama3.1", "config.json")),
        ({"config.json": "[1]"}, None),
        ({"LICENSE": "You owe us a cake."}, ("own terms (license)", "LICENSE")),
        ({}, None),
    ],
)
def test_what_a_folder_says(
    files: dict[str, str], found: tuple[str, str] | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert licence_of(tmp_path) == found


def test_our_own_licence_is_recognised_by_its_text(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    assert licence_of(tmp_path) == ("apache-2.0", "LICENSE")


def test_the_zoo_is_under_the_licence_of_the_project() -> None:
    weights = ROOT / "experts/zoo/weights/arithmetic"
    assert licence_of(weights) == ("apache-2.0", "part of Coterie")


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (("mit", "LICENSE"), Level.OK),
        (("llama3.1", "README.md"), Level.WARNING),
        (("cc-by-nc-4.0", "README.md"), Level.WARNING),
        (None, Level.WARNING),
    ],
)
def test_terms_that_have_conditions_are_named(found: tuple[str, str] | None, level: Level) -> None:
    assert check_licence("law", found).level is level
