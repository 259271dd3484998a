"""Which refusals are about us, by their codes and their words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.upstream.blame import is_about_us

OURS = [
    "Your credit balance is too low to access the API. Please go to Plans & Billing.",
    "You exceeded your current quota, please check your plan and billing details.",
    "You have no credits left.",
    "The model `b` does not exist",
    "The model `gpt-9` does not exist or you do not have access to it.",
    "models/far-1 is not found for API version v1, or the model is not found",
    "The model 'far-1' has been deprecated, learn more at https://far.test",
    "This endpoint has been deprecated.",
    "The model `far` has been decommissioned and is no longer supported.",
    "far-1 is not a valid model ID",
    "Your organization must be verified to stream this model.",
    "API key not valid, this api key is invalid.",
    "Incorrect API key provided",
    "This account has been deactivated: your account is not active",
]
THEIRS = [
    "max_tokens must be at least 1, got -5.",
    "This model's maximum context length is 1024 tokens. However, your prompt has 1500 tokens.",
    "Invalid schema for function 'get_credit_balance': 'organization' is not a string.",
    'Invalid value: "the model does not exist". Supported values are "a" and "b".',
    "This model does not support tools.",
    "The tool `billing` was not found in tools.",
]


@pytest.mark.parametrize("message", OURS)
def test_words_about_our_account_and_model(message: str) -> None:
    assert is_about_us({"message": message})
    assert is_about_us({"message": message, "param": "model"})


@pytest.mark.parametrize("message", THEIRS)
def test_words_about_the_request(message: str) -> None:
    assert not is_about_us({"message": message, "type": "invalid_request_error", "code": None})


def test_a_field_that_is_out_of_date_is_the_clients() -> None:
    message = "It has been deprecated in favor of tools."
    assert not is_about_us({"message": message, "param": "functions"})
    assert is_about_us({"message": message})


@pytest.mark.parametrize(
    ("message", "ours"),
    [
        ("Rate limit reached for far in organization org-Zx12ab on requests per minute.", False),
        ("Quota exceeded for requests per minute.", False),
        ("Please check your plan and billing details.", True),
    ],
)
def test_a_rate_limit_is_one_unless_it_is_about_money(message: str, ours: bool) -> None:
    assert is_about_us({"message": message}, limited=True) is ours


CODES = [
    "invalid_api_key",
    "api_key_invalid",
    "authentication_error",
    "UNAUTHENTICATED",
    "unauthorized",
    "permission_denied",
    "permission_error",
    "insufficient_quota",
    "billing_not_active",
    "account_deactivated",
    "insufficient_credits",
    "model_not_found",
    "model_decommissioned",
    "deployment_not_found",
    "DeploymentNotFound",
]


@given(st.sampled_from(CODES), st.sampled_from(["code", "type", "status"]), st.booleans())
def test_a_code_tells_it_wherever_it_stands(code: str, field: str, limited: bool) -> None:
    assert is_about_us({field: code, "message": "no", "param": "n"}, limited=limited)


@given(
    st.dictionaries(
        st.sampled_from(["code", "type", "message", "param", "status"]),
        st.none() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_any_error_is_judged(error: dict[str, Any]) -> None:
    assert is_about_us(error) in (True, False)
