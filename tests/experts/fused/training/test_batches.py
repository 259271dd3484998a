"""Rows become batches, every one once an epoch."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from experts.fused.training.batches import Order, collate, split
from experts.fused.training.encoding import Row


def test_collate_marks_the_answers() -> None:
    batch = collate([Row((1, 5, 6, 7, 2), 3), Row((1, 8, 2), 2)])
    assert batch.tokens.tolist() == [[1, 5, 6, 7, 2], [1, 8, 2, 0, 0]]
    assert batch.positions.tolist() == [[False, False, True, True], [False, True, False, False]]
    assert batch.targets.tolist() == [7, 2, 2]
    assert batch.row.tolist() == [0, 0, 1]
    assert torch.equal(batch.tokens[:, 1:][batch.positions], batch.targets)


@pytest.mark.parametrize("window", [1, 3])
def test_an_epoch_visits_every_row_once(window: int) -> None:
    lengths = [index * 7 % 20 for index in range(20)]
    order = Order(lengths, 4, window, "a")
    epoch = [order.rows(step) for step in range(5)]
    assert Counter(row for rows in epoch for row in rows) == Counter(range(20))
    assert [order.rows(step) for step in range(5, 10)] != epoch
    again = Order(lengths, 4, window, "a")
    # Whatever was asked for before, a step's rows are the same.
    assert [again.rows(step) for step in (7, 2)] == [order.rows(7), epoch[2]]
    assert [Order(lengths, 4, window, "b").rows(step) for step in range(5)] != epoch
    assert len(Order(lengths, 50, window, "a").rows(3)) == 20


def test_sorted_batches_hold_rows_of_one_length() -> None:
    order = Order([index % 5 for index in range(20)], 4, 5, "a")
    assert all(len({row % 5 for row in order.rows(step)}) == 1 for step in range(5))


def test_large_batches_are_split() -> None:
    rows = [Row(tuple(range(length)), 1) for length in (9, 3, 8, 2, 3, 40)]
    groups = split(rows, 20)
    assert sorted(index for group in groups for index in group) == list(range(6))
    sizes = [len(group) * max(len(rows[index].tokens) for index in group) for group in groups]
    # A row that is too large by itself stands alone.
    assert all(size <= 20 for size in sizes[:-1])
    assert groups[-1] == [5]
