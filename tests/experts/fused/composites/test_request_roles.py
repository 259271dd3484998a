"""Roles are remembered under the first block of a request."""

import torch
from torch import Tensor

from experts.fused.composites.request_roles import RoleMemory

BOS, ROLES, TEXT = 1, (6, 7, 8), 50


class Step:
    """Rows of several requests as vLLM hands them over."""

    def __init__(self, memory: RoleMemory) -> None:
        self._memory = memory

    def __call__(self, *requests: tuple[list[int], int, int], padding: int = 0) -> list[int]:
        """Each request is (tokens, position of the first one, first block); roles of all rows."""
        ids = [token for tokens, _, _ in requests for token in tokens] + [ROLES[2]] * padding
        positions = [
            start + number for tokens, start, _ in requests for number in range(len(tokens))
        ]
        starts = [0]
        for tokens, _, _ in requests:
            starts.append(starts[-1] + len(tokens))
        # Two requests more than there are, as in a captured graph: they have no rows.
        starts += [starts[-1]] * 2
        table = [[block, 9] for _, _, block in requests] + [[0, 0]] * 2
        found: Tensor = self._memory.roles(
            torch.tensor(ids),
            torch.tensor(positions + [0] * padding),
            torch.tensor(table, dtype=torch.int32),
            torch.tensor(starts, dtype=torch.int32),
        )
        return found[: len(positions)].tolist()


def memory() -> RoleMemory:
    made = RoleMemory(ROLES, BOS, 100)
    made.reserve(16)
    return made


def test_a_role_holds_for_the_whole_request_and_no_other() -> None:
    step = Step(memory())

    assert step(([7, TEXT, TEXT], 0, 3), ([8, TEXT], 0, 5), ([BOS], 0, 4)) == [1, 1, 1, 2, 2, 0]
    assert step(([TEXT], 1, 4), ([TEXT], 3, 3), ([TEXT, TEXT], 2, 5)) == [0, 1, 2, 2]


def test_a_block_that_is_used_again_has_the_new_role() -> None:
    step = Step(memory())
    step(([8, TEXT], 0, 3))

    assert step(([BOS, TEXT], 0, 3)) == [0, 0]
    assert step(([7], 0, 3)) == [1]


def test_a_role_token_later_in_a_request_means_nothing() -> None:
    step = Step(memory())

    assert step(([7, 8, TEXT], 0, 3)) == [1, 1, 1]
    assert step(([8], 3, 3)) == [1]


def test_padding_disturbs_nobody() -> None:
    step = Step(memory())
    step(([7], 0, 3), padding=5)

    assert step(([TEXT], 1, 3), padding=1) == [1]


def test_more_blocks_keep_what_is_known() -> None:
    known = memory()
    step = Step(known)
    step(([7], 0, 3))
    known.reserve(1000)

    assert step(([TEXT], 1, 3), ([8], 0, 999)) == [1, 2]
    known.reserve(10)
    assert len(known.role_of_block) == 1000


def test_members_see_the_stand_in_at_the_beginning_only() -> None:
    seen = memory().seen(torch.tensor([7, 8, TEXT, 6]), torch.tensor([0, 1, 2, 0]))

    assert seen.tolist() == [BOS, 8, TEXT, BOS]
