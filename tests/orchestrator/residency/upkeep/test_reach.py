"""Signs of life: what a machine's kernel says of it, and how many may be missing."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from orchestrator.residency.upkeep.reach import Reach, answers

SOON_S = 0.05


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that never accepts, as one that is busy with something else."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as made:
        yield made


def _url(made: socket.socket) -> str:
    host, port = made.getsockname()[:2]
    return f"http://{host}:{port}"


async def test_for_a_process_that_is_too_busy_to_accept_its_machine_answers(
    listener: socket.socket,
) -> None:
    assert await answers(_url(listener), 5.0)


async def test_for_one_that_has_ended_nobody_does(listener: socket.socket) -> None:
    url = _url(listener)
    listener.close()
    assert not await answers(url, 5.0)


async def test_a_machine_that_confirms_nothing_does_not_answer(listener: socket.socket) -> None:
    """A queue of connections that is full drops what comes, as a cable that is out does."""
    fillers = [socket.socket() for _ in range(4)]
    try:
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        assert not await answers(_url(listener), SOON_S)
    finally:
        for filler in fillers:
            filler.close()


async def test_a_machine_to_which_no_way_leads_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_way(*_: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "sock_connect", no_way)
    assert not await answers("http://127.0.0.1:1", 5.0)


async def test_who_looks_too_late_sees_all_the_same_that_it_answered(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    async def unheard(made: socket.socket, address: tuple[str, int]) -> None:
        made.connect_ex(address)
        await asyncio.Event().wait()

    monkeypatch.setattr(loop.__class__, "sock_connect", lambda _, *told: unheard(*told))
    assert await answers(_url(listener), SOON_S)


class Machine:
    """Answers as it is told; the last answer is repeated."""

    def __init__(self, *told: bool) -> None:
        self.told = list(told)
        self.asked = 0

    async def ask(self, url: str, within_s: float) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]


@pytest.mark.parametrize(
    ("told", "questions"),
    [((False,), 3), ((True, False), 4), ((False, False, True, False), 6)],
)
async def test_so_many_in_a_row_may_not_be_missing(told: tuple[bool, ...], questions: int) -> None:
    machine = Machine(*told)
    await Reach(1e-6, 3, machine.ask).until_silent("http://slot")
    assert machine.asked == questions


async def test_one_answer_is_enough_to_be_back() -> None:
    machine = Machine(False, False, False, False, True)
    await Reach(1e-6, 3, machine.ask).until_back("http://slot")
    assert machine.asked == 5


async def test_a_question_that_fails_at_once_takes_its_time_all_the_same() -> None:
    machine, loop = Machine(False), asyncio.get_running_loop()
    began = loop.time()
    assert not await Reach(SOON_S, 3, machine.ask).answers("http://slot")
    assert loop.time() - began >= 3 * SOON_S
