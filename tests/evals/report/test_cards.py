"""Which answers are shown, in which order."""

from pathlib import Path

from made_runs import Setting, info, make_run, rows, write_run

from evals.report.cards import ORDER, cards, outcome
from evals.report.reading import read_run


def test_failures_come_first_and_subjects_take_turns(tmp_path: Path) -> None:
    made = rows(Setting())
    made[3] = made[3].model_copy(update={"error": "it broke", "score": 0.0})
    shown = cards(read_run(write_run(tmp_path, info(Setting()), made)))
    places = [ORDER.index(card.outcome) for card in shown]
    assert places == sorted(places)
    assert len(shown) == len(made)
    assert ("error", "it broke") in shown[0].texts
    wrong = [card.subject for card in shown if card.outcome == "wrong"]
    assert len(set(wrong[:3])) == 3


def test_there_are_no_more_than_asked_for(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path))
    assert len(cards(run, 7)) == 7
    assert cards(run, 0) == ()


def test_a_composition_that_had_the_right_answer_at_hand_is_told_apart() -> None:
    made = rows(Setting(questions=60))
    vote = next(
        r for r in made if r.candidates and not r.score and any(c.score for c in r.candidates)
    )
    routed = next(r for r in made if r.subject == "pool/auto" and not r.score)
    assert outcome(vote) == "wrong, an expert was right"
    assert outcome(routed) == "wrong"
    assert (
        outcome(routed, frozenset({(routed.task, routed.sample)})) == "wrong, an expert was right"
    )


def test_long_texts_are_cut_and_everything_has_its_label(tmp_path: Path) -> None:
    setting = Setting(questions=3, text="x" * 90_000 + "{}")
    shown = cards(read_run(make_run(tmp_path, setting)))
    council = next(card for card in shown if card.subject == "pool/council")
    assert [label.partition(",")[0] for label, _ in council.texts] == [
        "question", "right answer", "answer", "alpha", "beta", "gamma",
    ]  # fmt: skip
    assert max(len(text) for card in shown for _, text in card.texts) < 2000
    assert any(tag.startswith("near: ") and "alpha 0." in tag for tag in council.tags)
    assert any(tag.startswith("confidence") for tag in council.tags)
