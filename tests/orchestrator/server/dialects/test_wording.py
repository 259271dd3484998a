"""Places of errors are called as the client calls them."""

import pytest

from experts.errors import CoterieError, ExpertRefused, RequestError
from orchestrator.server.dialects.wording import renamed

PLACES = {"messages": "input", "stop": "stop_sequences", "response_format": "text.format"}


@pytest.mark.parametrize(
    ("error", "param", "message"),
    [
        (
            RequestError("No response_format here.", param="response_format"),
            "text.format",
            "No text.format here.",
        ),
        (
            RequestError("stop[3]: is stopped.", param="stop[3]"),
            "stop_sequences[3]",
            "stop_sequences[3]: is stopped.",
        ),
        (RequestError("messages[1].role: no.", param="messages[1].role"), "input", None),
        (RequestError("No stop.", param="tools"), "tools", "No stop."),
        (RequestError("No stop."), None, "No stop."),
        (
            ExpertRefused("bad stop", expert="e", status=400, body={"param": "stop"}),
            "stop_sequences",
            "bad stop_sequences",
        ),
    ],
)
def test_the_field_is_the_clients(
    error: CoterieError, param: str | None, message: str | None
) -> None:
    told = renamed(error, PLACES)["error"]
    assert told["param"] == param
    assert message is None or told["message"] == message
