"""Log records as people and programs read them."""

import io
import json
import logging
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import logs
from orchestrator.cli.logs import JsonFormatter, TextFormatter

ACCESS = {
    "id": "r1",
    "model": "pool/auto",
    "expert": "units",
    "status": 200,
    "class": "interactive",
    "queue_ms": 0.04,
    "load_ms": None,
    "prompt_tokens": 12,
}


def _record(message: str = "answered", **extra: Any) -> logging.LogRecord:
    logger = logging.getLogger("coterie.access")
    return logger.makeRecord(logger.name, logging.INFO, "f.py", 1, message, (), None, extra=extra)


def test_an_access_line_is_key_value_in_text(logging_state: None) -> None:
    line = TextFormatter().format(_record(access=ACCESS))
    stamp, rest = line[:23], line[23:]

    assert abs(datetime.now() - datetime.fromisoformat(stamp)).total_seconds() < 60
    assert rest == (
        " INFO    coterie.access  answered id=r1 model=pool/auto expert=units status=200"
        " class=interactive queue_ms=0.0 prompt_tokens=12"
    )


def test_an_access_line_is_fields_in_json(logging_state: None) -> None:
    entry = json.loads(JsonFormatter().format(_record(access=ACCESS)))
    stamp = datetime.fromisoformat(entry.pop("time"))

    assert stamp.tzinfo is not None
    wanted = {key: value for key, value in ACCESS.items() if value is not None}
    assert entry == {
        "level": "info",
        "logger": "coterie.access",
        "message": "answered",
        **wanted,
    }


def test_a_client_cannot_forge_a_line() -> None:
    access = {"model": "a b\nERROR forged", "id": 'x" status=500', "expert": ""}
    line = TextFormatter().format(_record(access=access))

    assert "\n" not in line
    assert r'model="a b\nERROR forged" id="x\" status=500" expert=""' in line


def test_fields_of_a_record_do_not_hide_what_it_is() -> None:
    entry = json.loads(JsonFormatter().format(_record(access={"level": "x", "time": 0})))
    assert (entry["level"], entry["message"]) == ("info", "answered")
    assert entry["time"]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_comes_with_its_traceback(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("bad slot")
    except ValueError as error:
        record = _record("it broke")
        record.exc_info = (type(error), error, error.__traceback__)
    told = formatter.format(record)
    if isinstance(formatter, JsonFormatter):
        assert "\n" not in told
        told = json.loads(told)["exception"]
    assert "Traceback (most recent call last)" in told
    assert "ValueError: bad slot" in told


@given(
    st.dictionaries(
        st.text(min_size=1),
        st.none() | st.text() | st.integers() | st.floats() | st.lists(st.floats()),
    ),
    st.text(),
)
def test_every_record_is_one_line_of_json(fields: dict[str, Any], message: str) -> None:
    line = JsonFormatter().format(_record(message.replace("%", ""), access=fields))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    assert len(line.splitlines()) == 1
    assert isinstance(json.loads(line, parse_constant=refuse), dict)


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", {"debug", "info", "warning"}, {"debug", "info", "warning"}),
        ("info", {"info", "warning"}, {"warning"}),
        ("error", set(), set()),
    ],
)
def test_the_level_is_about_our_own_records(
    logging_state: None, level: str, ours: set[str], theirs: set[str]
) -> None:
    out = io.StringIO()
    logs.configure(level, "json", out)
    for name in ("orchestrator.residency", "httpx"):
        for urgent in ("debug", "info", "warning"):
            getattr(logging.getLogger(name), urgent)(urgent)
    seen: dict[str, set[str]] = {"orchestrator.residency": set(), "httpx": set()}
    for line in out.getvalue().splitlines():
        seen[json.loads(line)["logger"]].add(json.loads(line)["message"])

    assert (seen["orchestrator.residency"], seen["httpx"]) == (ours, theirs)


def test_libraries_with_their_own_handlers_print_once(logging_state: None) -> None:
    out = io.StringIO()
    for name in ("ray", "uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.NOTSET)  # A service may have quietened them.
    for name in ("ray", "uvicorn"):
        logging.getLogger(name).addHandler(logging.StreamHandler(out))
        logging.getLogger(name).propagate = False
    logs.configure("info", "text", out)
    logging.getLogger("uvicorn.error").warning("the port is odd")
    logging.getLogger("ray").warning("a node is away")

    lines = out.getvalue().splitlines()
    assert [line.split("  ")[-1] for line in lines] == ["the port is odd", "a node is away"]


def test_configuring_twice_prints_once(logging_state: None) -> None:
    out = io.StringIO()
    logs.configure("info", "text", io.StringIO())
    logs.configure("info", "text", out)
    logging.getLogger("coterie.service").info("ready")
    assert out.getvalue().count("ready") == 1
