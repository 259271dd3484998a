"""The files of the console: all there, small, and none that calls another origin."""

import json
import re

import pytest
from hatchling.builders.wheel import WheelBuilder
from repository import ROOT

from orchestrator.batch.line import ENDPOINTS
from orchestrator.console.assets import PAGE, POLICY, Asset, load_assets
from orchestrator.server.batch.desk import OPERATIONS

ASSETS = load_assets()
SCRIPTS = {path: one.content.decode() for path, one in ASSETS.items() if path.endswith(".js")}
MOST_SCRIPT = 300_000
MOST_LINES, LONGEST_LINE = 400, 100
UNSAFE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    r"|setAttribute\(\"style|localStorage\.setItem\(.*[kK]ey\b"
)


def test_the_page_names_only_files_that_there_are() -> None:
    page = ASSETS[PAGE].content.decode()
    named = re.findall(r'(?:href|src)="(console/[^"]+)"', page)
    assert "console/app.js" in named
    assert {name.removeprefix("console/") for name in named} <= ASSETS.keys()


def test_the_page_has_no_script_and_no_style_of_its_own() -> None:
    page = ASSETS[PAGE].content.decode()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", page) == []


@pytest.mark.parametrize("path", SCRIPTS)
def test_what_a_script_imports_is_there(path: str) -> None:
    folder = path.rpartition("/")[0]
    for name in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', SCRIPTS[path]):
        parts = folder.split("/") if folder else []
        for step in name.split("/"):
            parts = parts[:-1] if step == ".." else parts if step == "." else [*parts, step]
        assert "/".join(parts) in ASSETS, name


@pytest.mark.parametrize("path", SCRIPTS)
def test_no_script_makes_html_of_a_text(path: str) -> None:
    assert UNSAFE.findall(SCRIPTS[path]) == []


@pytest.mark.parametrize("path", ASSETS)
def test_files_are_small_and_name_no_other_origin(path: str) -> None:
    text = ASSETS[path].content.decode()
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES
    if path.endswith(".js"):
        assert max(map(len, lines)) <= LONGEST_LINE
        assert lines[0].startswith("/**"), "opens with what it is"
    outside = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
    assert outside == set()


def test_all_scripts_together_are_small() -> None:
    assert 0 < sum(map(len, SCRIPTS.values())) < MOST_SCRIPT


def test_the_policy_lets_nothing_in_but_this_origin() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "*" not in POLICY


def test_a_file_is_known_by_its_content() -> None:
    asset = Asset(b"x", "text/css", '"abc"')
    assert asset.is_in('"abc"')
    assert asset.is_in('W/"abc", "other"')
    assert asset.is_in("*")
    assert not asset.is_in("")
    assert not asset.is_in('"abcd"')
    assert len({one.etag for one in ASSETS.values()}) == len(ASSETS)


def test_the_wheel_has_every_file() -> None:
    packed = {one.distribution_path for one in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"orchestrator/console/static/{path}" for path in ASSETS} <= packed


def test_the_page_of_batches_offers_the_endpoints_that_a_batch_takes() -> None:
    (offered,) = re.findall(r"const ENDPOINTS = (\[[^\]]*\]);", SCRIPTS["pages/batches.js"])
    assert json.loads(offered) == list(ENDPOINTS) == list(OPERATIONS)
