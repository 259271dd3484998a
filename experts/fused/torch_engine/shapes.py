"""The JSON fields of an answer in OpenAI's two operations."""

from typing import Any, Protocol


class Shape(Protocol):
    """The fields of one operation; each method turns a text into the fields of a choice."""

    id_begins: str
    whole: str
    chunk: str

    def said(self, text: str) -> dict[str, Any]:
        """A whole answer."""
        ...

    def begin(self) -> dict[str, Any] | None:
        """The first event of a stream; None where there is none."""
        ...

    def add(self, text: str) -> dict[str, Any]:
        """The next piece of a stream."""
        ...


class ChatShape:
    """The fields of chat/completions."""

    id_begins = "chatcmpl"
    whole = "chat.completion"
    chunk = "chat.completion.chunk"

    def said(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def begin(self) -> dict[str, Any] | None:
        return {"delta": {"role": "assistant", "content": ""}}

    def add(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text}}


class TextShape:
    """The fields of completions."""

    id_begins = "cmpl"
    whole = chunk = "text_completion"

    def said(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def begin(self) -> dict[str, Any] | None:
        return None

    def add(self, text: str) -> dict[str, Any]:
        return {"text": text}
