"""What a configuration may say of breakers."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.config.model import ServerConfig
from orchestrator.config.resilience.section import BreakerConfig


def test_there_is_a_breaker_unless_it_is_turned_off() -> None:
    assert ServerConfig().breaker == BreakerConfig()
    assert ServerConfig(breaker=None).breaker is None
    assert ServerConfig.model_validate({"breaker": {"failures": 9}}).breaker == BreakerConfig(
        failures=9
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"failures": 1}, "greater than or equal to 2"),  # One broken answer opens nothing.
        ({"share": 0}, "greater than 0"),
        ({"open_s": 30, "open_max_s": 10}, "open_max_s must not be less than open_s"),
        ({"open_max_s": 121}, "less than or equal to 120"),  # Clients would not try again.
        ({"trials": 0}, "greater than or equal to 1"),
        ({"fails": 5}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        BreakerConfig.model_validate(keys)
