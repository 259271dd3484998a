"""What one expert has said in a panel, for the client that asks how an answer came about."""

from dataclasses import dataclass

from typing_extensions import TypedDict


class SaidRecord(TypedDict):
    """What an expert was heard to say; `stage` is how far the panel was when it was asked."""

    expert: str
    stage: str
    text: str
    cut: bool
    error: str | None


@dataclass(slots=True)
class Said:
    """Its pieces are added as they come, up to a bound; `error` is the code of what ended it."""

    expert: str
    stage: str
    most: int
    text: str = ""
    cut: bool = False
    error: str | None = None

    def add(self, text: str) -> None:
        """One more piece; what came before it was no failure in the end."""
        self.error = None
        room = self.most - len(self.text)
        self.cut = self.cut or len(text) > room
        self.text += text[:room]

    def record(self) -> SaidRecord:
        """As JSON."""
        return {
            "expert": self.expert,
            "stage": self.stage,
            "text": self.text,
            "cut": self.cut,
            "error": self.error,
        }
