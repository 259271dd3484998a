"""Pieces of an answer become sections that begin, grow and end in order."""

from orchestrator.server.dialects.chat_pieces import CallPiece, ChatPiece
from orchestrator.server.dialects.sections import Sections


def changes(*pieces: ChatPiece) -> list[str]:
    """What the pieces do, in short."""
    sections = Sections()
    events = [event for piece in pieces for event in sections.take(piece)]
    events += sections.end()
    return [f"{one.change} {one.section.kind}{one.section.place} {one.text}" for one in events]


def test_a_text_ends_where_something_else_begins() -> None:
    pieces = [ChatPiece(reasoning="r"), ChatPiece(text="a"), ChatPiece(text="b")]
    assert changes(*pieces, ChatPiece(reasoning="s")) == [
        "begin reasoning0 ",
        "grow reasoning0 r",
        "end reasoning0 ",
        "begin text1 ",
        "grow text1 a",
        "grow text1 b",
        "end text1 ",
        "begin reasoning2 ",
        "grow reasoning2 s",
        "end reasoning2 ",
    ]


def test_pieces_of_several_calls_may_come_in_turn() -> None:
    found = changes(
        ChatPiece(calls=(CallPiece(0, "a", "f", "1"), CallPiece(1, "b", "g", "2"))),
        ChatPiece(calls=(CallPiece(0, "", "", "3"),)),
    )
    assert found == [
        "begin call0 ",
        "grow call0 1",
        "begin call1 ",
        "grow call1 2",
        "grow call0 3",
        "end call0 ",
        "end call1 ",
    ]


def test_whole_calls_without_numbers_are_told_apart_by_their_ids() -> None:
    sections = Sections()
    calls = (CallPiece(None, "a", "f", "1"), CallPiece(None, "b", "g", "2"))
    list(sections.take(ChatPiece(calls=calls)))
    list(sections.take(ChatPiece(calls=(CallPiece(None, "", "", "3"),))))
    assert [(one.id, one.text) for one in sections.all] == [("a", "1"), ("b", "23")]


def test_a_call_without_an_id_gets_one() -> None:
    sections = Sections()
    list(sections.take(ChatPiece(calls=(CallPiece(0, "", "f", ""),))))
    assert sections.all[0].id.startswith("call_")
