"""Choosing the setting of self-contrast: greedy unless the probes say otherwise."""

import pytest

from evals.fitting.fuse.self_contrast_settings import (
    BETAS,
    GREEDY,
    MOST_RANKS,
    Setting,
    choose,
    distinct,
    fused_roles,
    grid,
    sign_test,
)

WEAK, STRONG = Setting(0.1, 2), Setting(1.0, 2)


def test_the_grid_has_greedy_and_every_beta_with_every_rank() -> None:
    settings = grid(2)

    assert settings[0] == GREEDY
    assert len(settings) == 1 + 2 * len(BETAS)
    assert len({setting.name for setting in settings}) == len(settings)
    assert max(setting.rank for setting in grid(64)) == MOST_RANKS


def test_a_clear_win_chooses_the_contrast() -> None:
    greedy = [0.0] * 6 + [1.0] * 4
    choice = choose({GREEDY: greedy, WEAK: greedy, STRONG: [1.0] * 10})

    assert choice.chosen == choice.best == STRONG
    assert (choice.wins, choice.losses) == (6, 0)
    assert choice.chance == pytest.approx(1 / 64)


def test_a_win_that_chance_explains_leaves_greedy() -> None:
    choice = choose({GREEDY: [0.0, 1.0, 1.0], WEAK: [1.0, 1.0, 1.0]})

    assert choice.chosen == GREEDY
    assert choice.best == WEAK
    assert choice.chance == 0.5


def test_wins_that_losses_undo_leave_greedy() -> None:
    choice = choose({GREEDY: [0.0] * 6 + [1.0] * 6, WEAK: [1.0] * 6 + [0.0] * 6})

    assert choice.chosen == GREEDY
    assert (choice.wins, choice.losses) == (6, 6)


def test_of_equal_contrasts_the_weaker_is_the_best() -> None:
    assert choose({GREEDY: [1.0], STRONG: [1.0], WEAK: [1.0]}).best == WEAK


@pytest.mark.parametrize(
    ("wins", "losses", "chance"), [(0, 0, 1.0), (0, 5, 1.0), (5, 0, 1 / 32), (2, 1, 0.5)]
)
def test_the_sign_test_is_that_of_a_coin(wins: int, losses: int, chance: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(chance)


def test_the_fitted_setting_is_the_first_role() -> None:
    roles = fused_roles(STRONG, {"a": GREEDY, "b": STRONG})

    assert [role["name"] for role in roles] == ["fitted", "a-fitted", "b-fitted", "greedy"]
    assert [role["beta"] for role in roles] == [1.0, 0, 1.0, 0]
    assert [role["name"] for role in fused_roles(WEAK, {"a": WEAK})] == ["fitted", "greedy"]


def test_each_setting_is_measured_once() -> None:
    assert distinct((GREEDY, WEAK, GREEDY)) == (GREEDY, WEAK)
