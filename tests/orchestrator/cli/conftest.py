"""What tests of the command line leave as they have found it."""

import logging
from collections.abc import Iterator

import pytest

from orchestrator.cli import logs


@pytest.fixture
def logging_state() -> Iterator[None]:
    """What pytest and others have set up is there again afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    named = [logging.getLogger(name) for name in (*logs.OURS, *logs.LIBRARIES)]
    # Libraries that earlier tests have imported may have quietened these, or mark every record.
    named += [logging.getLogger(name) for name in ("httpx", "vllm")]
    levels = [(one, one.level, one.handlers[:], one.propagate) for one in named]
    for one in named:
        one.setLevel(logging.NOTSET)
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(factory)
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    for one, level, handlers, propagate in levels:
        one.setLevel(level)
        one.handlers[:] = handlers
        one.propagate = propagate
