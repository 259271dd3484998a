"""The reports of a folder: what is listed, and that nothing else gets out."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experts.errors import UnknownObject
from orchestrator.config.server_section import ReportsConfig
from orchestrator.server.reports.folder import Reports


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secret.html").write_text("secret")
    home = tmp_path / "runs"
    for name, at in (("monday", 100), ("tuesday", 200)):
        folder = home / name
        folder.mkdir(parents=True)
        for file in ("report.html", "report.md", "frontier.svg", "samples.jsonl", ".hidden.html"):
            (folder / file).write_text(f"{file} of {name}")
            os.utime(folder / file, (at, at))
    (home / "empty").mkdir()
    (home / "samples-only").mkdir()
    (home / "samples-only" / "samples.jsonl").write_text("secret")
    (home / ".git").mkdir()
    (home / ".git" / "report.html").write_text("secret")
    (home / "linked").symlink_to(tmp_path)
    (home / "monday" / "link.html").symlink_to(tmp_path / "secret.html")
    return home


def _reports(home: Path, **keys: Any) -> Reports:
    return Reports(ReportsConfig(folder=home, **keys))


def test_the_newest_comes_first_and_what_is_no_report_is_left_out(home: Path) -> None:
    assert [one.name for one in _reports(home).all()] == ["tuesday", "monday"]
    assert [one.name for one in _reports(home, listed=1).all()] == ["tuesday"]
    assert _reports(home / "nowhere").all() == []


def test_a_report_has_its_page_its_text_and_its_pictures(home: Path) -> None:
    known = _reports(home)
    report = known.named("monday")
    assert [path.name for path in report.files()] == ["frontier.svg", "report.html", "report.md"]
    assert known.text(report) == "report.md of monday"
    assert known.file("monday", "frontier.svg") == (b"frontier.svg of monday", "image/svg+xml")


NAMES = st.sampled_from(
    ["..", ".", "", "/", "../secret.html", "linked", ".git", "monday/../..", "monday", "%2e%2e"]
)
FILES = st.sampled_from(
    [
        "../../secret.html",
        "link.html",
        "samples.jsonl",
        ".hidden.html",
        "/etc/passwd",
        "",
        ".",
        "..",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES | st.text(), file=FILES | st.text())
def test_whatever_is_asked_nothing_from_elsewhere_gets_out(
    home: Path, name: str, file: str
) -> None:
    try:
        content, _ = _reports(home).file(name, file)
    except UnknownObject:
        return
    assert content.endswith(f" of {name}".encode())


def test_a_page_too_large_to_read_has_no_say_on_the_list(home: Path) -> None:
    assert [one.name for one in _reports(home, max_file_mb=1e-6).all()] == ["tuesday", "monday"]


def test_a_file_that_is_too_large_is_not_read(home: Path) -> None:
    with pytest.raises(UnknownObject, match="max_file_mb"):
        _reports(home, max_file_mb=1e-6).file("monday", "report.html")


async def test_over_http_files_come_in_a_sandbox(serve: Any, home: Path) -> None:
    gateway = await serve(server={"reports": {"folder": str(home)}})
    listed = (await gateway.http.get("/coterie/reports")).json()
    assert [one["name"] for one in listed["reports"]] == ["tuesday", "monday"]
    told = (await gateway.http.get("/coterie/reports/monday")).json()
    assert (told["page"], told["pictures"]) == ("report.html", ["frontier.svg"])
    page = await gateway.http.get("/coterie/reports/monday/files/report.html")
    assert page.text == "report.html of monday"
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    for path in ("monday/files/..%2f..%2fsecret.html", "..%2f", "linked", "monday/files/link.html"):
        assert (await gateway.http.get(f"/coterie/reports/{path}")).status_code == 404


async def test_without_a_folder_it_is_said_how_to_name_one(gateway: Any) -> None:
    listed = (await gateway.http.get("/coterie/reports")).json()
    assert listed == {"shown": False, "reports": []}
    answer = await gateway.http.get("/coterie/reports/monday")
    assert answer.status_code == 404
    assert "server.reports.folder" in answer.json()["error"]["message"]
