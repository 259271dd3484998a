"""A slot over an actor whose answers are scripted: what Ray's errors mean to the pool."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
import ray

from experts.errors import ServiceError
from experts.vllm.loads import EngineLoad, LoadReport, WorkerSettings
from orchestrator.config.model import RayConfig, SlotsConfig
from orchestrator.residency import ray_slot
from orchestrator.residency.slot import NoPlace, SlotLost, StartTooSlow

BLIP = ray.exceptions.ActorUnavailableError("the network", None)
DEATH = ray.exceptions.ActorDiedError()
ALIVE, RESTARTING = 2, 3
"""States in Ray's table of actors."""


class ScriptedMethod:
    """Answers its calls in turn; the last answer is repeated, and `None` never comes."""

    def __init__(self) -> None:
        self.answers: list[Any] = [None]
        self.calls = 0

    async def remote(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedActor(defaultdict[str, ScriptedMethod]):
    """A handle: every attribute is a method of the actor, but for what Ray knows of its state."""

    def __init__(self) -> None:
        super().__init__(ScriptedMethod)
        self.states: list[int | None] = [None]

    def _get_local_state(self) -> int | None:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def __getattr__(self, name: str) -> ScriptedMethod:
        return self[name]


@pytest.fixture
def actor(monkeypatch: pytest.MonkeyPatch) -> ScriptedActor:
    actor = ScriptedActor()
    monkeypatch.setattr(ray_slot, "_make_actor", lambda *arguments: actor)
    monkeypatch.setattr(ray_slot, "RETRY_S", 0.0)
    monkeypatch.setattr(ray_slot, "has_process", lambda actor: False)
    return actor


def _slot(**keys: Any) -> ray_slot.RaySlot:
    return ray_slot.RaySlot("slot-0", SlotsConfig(**keys), 0.0, None)


async def test_a_call_that_could_not_be_delivered_is_made_again(actor: ScriptedActor) -> None:
    report = LoadReport(1.0, 2.0)
    actor.call.answers = [BLIP, BLIP, report]
    assert await _slot().load(EngineLoad("a", "org/a")) == report
    assert actor.call.calls == 3


async def test_an_actor_that_stays_out_of_reach_is_slow_and_not_dead(actor: ScriptedActor) -> None:
    actor.call.answers = [BLIP]
    with pytest.raises(TimeoutError):
        await _slot(load_timeout_s=0.02).load(EngineLoad("a", "org/a"))


async def test_a_dead_actor_is_a_lost_slot(actor: ScriptedActor) -> None:
    actor.call.answers = [DEATH]
    with pytest.raises(SlotLost, match="slot-0 lost its process"):
        await _slot().memory_gb()


async def test_a_blip_is_no_loss(actor: ScriptedActor) -> None:
    actor.lifetime.answers = [BLIP, BLIP, None]
    watch = asyncio.create_task(_slot().lost())
    while actor.lifetime.calls < 3:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not watch.done()
    watch.cancel()


async def test_an_actor_that_was_restarted_after_a_blip_is_a_lost_slot(
    actor: ScriptedActor,
) -> None:
    actor.call.answers = [BLIP, ray_slot.Restarted()]
    with pytest.raises(SlotLost):
        await _slot().memory_gb()
    actor.lifetime.answers = [BLIP, ray_slot.Restarted()]
    await asyncio.wait_for(_slot().lost(), 5)


async def test_an_actor_whose_node_has_died_is_a_lost_slot(actor: ScriptedActor) -> None:
    actor.call.answers = actor.lifetime.answers = [BLIP]
    actor.states = [ALIVE, RESTARTING]
    with pytest.raises(SlotLost, match="slot-0 lost its process"):
        await _slot().memory_gb()
    assert actor.call.calls == 2
    await asyncio.wait_for(_slot().lost(), 5)
    assert actor.lifetime.calls == 1


async def test_a_slot_that_no_node_has_room_for_says_so_and_can_be_waited_for_again(
    actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_slot, "CALL_TIMEOUT_S", 0.0)
    monkeypatch.setattr(ray_slot.ray, "kill", lambda actor: None)
    waits = "slot-0 waits for Ray to start its process: does a node have 3 CPUs and 0 GPUs free?"
    actor.states, actor.start.answers = [RESTARTING], [None]
    slot = ray_slot.RaySlot("slot-0", SlotsConfig(cpus=3), 0.0, "token")
    for _ in range(2):
        with pytest.raises(NoPlace) as caught:
            await slot.start()
        assert str(caught.value) == waits
    assert actor.start.calls == 1
    await slot.stop()


async def test_a_process_that_is_not_ready_in_time_is_too_slow_and_not_missing(
    actor: ScriptedActor,
) -> None:
    actor.states, actor.start.answers = [ALIVE], [None]
    slot = ray_slot.RaySlot("slot-0", SlotsConfig(start_timeout_s=0.01), 0.0, "token")
    with pytest.raises(StartTooSlow, match=r"still starting after 0\.01 s"):
        await slot.start()


async def test_one_that_ray_is_making_is_not_missing(
    actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_slot, "has_process", lambda actor: True)
    actor.start.answers = [None]
    slot = ray_slot.RaySlot("slot-0", SlotsConfig(start_timeout_s=0.01), 0.0, "token")
    with pytest.raises(StartTooSlow):
        await slot.start()


async def test_on_this_machine_no_node_is_missing(actor: ScriptedActor) -> None:
    actor.states, actor.start.answers = [RESTARTING], [None]
    with pytest.raises(StartTooSlow):
        await _slot(start_timeout_s=0.01).start()


async def test_an_actor_that_is_dead_for_good_is_made_again(
    actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = ScriptedActor()
    dead.start.answers, dead.states = [DEATH], [4]
    actor.start.answers = [("http://127.0.0.1:1", "life", None)]
    made = [dead, actor]
    monkeypatch.setattr(ray_slot, "_make_actor", lambda *arguments: made.pop(0))
    assert await _slot().start() == "http://127.0.0.1:1"


async def test_a_slot_takes_nothing_before_it_is_started_and_after_it_was_stopped(
    actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[object] = []
    monkeypatch.setattr(ray_slot.ray, "kill", killed.append)
    actor.start.answers = [("http://127.0.0.1:1", "life", None)]
    slot = _slot()
    await slot.stop()
    assert (slot.made, killed) == (False, [])
    await slot.start()
    assert slot.made
    await slot.stop()
    assert (slot.made, killed) == (False, [actor])


async def test_an_actor_answers_only_those_who_mean_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_slot.environment, "prepare", lambda settings: None)
    actor = ray_slot.SlotActor(WorkerSettings(1), token=None)
    with pytest.raises(ray_slot.Restarted):
        await actor.call("another life", "memory_gb", ())
    with pytest.raises(ray_slot.Restarted):
        await actor.lifetime("another life")


async def test_an_actor_keeps_only_the_last_of_those_who_wait_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a slot that is often cut off would have no room for calls any more."""
    monkeypatch.setattr(ray_slot.environment, "prepare", lambda settings: None)
    actor = ray_slot.SlotActor(WorkerSettings(1), token=None)
    first = asyncio.create_task(actor.lifetime(actor._life))
    await asyncio.sleep(0)
    second = asyncio.create_task(actor.lifetime(actor._life))
    await asyncio.wait_for(first, 5)
    assert not second.done()
    second.cancel()


async def test_a_death_after_a_blip_is_a_loss(actor: ScriptedActor) -> None:
    actor.lifetime.answers = [BLIP, DEATH]
    await asyncio.wait_for(_slot().lost(), 5)


async def test_a_node_that_cannot_make_a_slot_is_named(actor: ScriptedActor) -> None:
    class Told(ray.exceptions.ActorDiedError):
        actor_init_failed = True

        def __str__(self) -> str:
            return (
                "ray::SlotActor.__init__() (pid=7, ip=10.0.0.2, actor_id=ab)\nNo module named 'x'"
            )

    actor.start.answers = [Told()]
    with pytest.raises(RuntimeError) as caught:
        await _slot().start()
    assert str(caught.value) == "No module named 'x' (on 10.0.0.2)"


async def test_an_engines_error_passes_on_its_words(actor: ScriptedActor) -> None:
    actor.call.answers = [
        ray.exceptions.RayTaskError("wake", "trace", RuntimeError("it overslept"))
    ]
    with pytest.raises(RuntimeError, match="it overslept"):
        await _slot().wake("a")


async def test_a_slot_waits_for_its_actors_restart(actor: ScriptedActor) -> None:
    actor.start.answers = [DEATH, BLIP, ("http://127.0.0.1:1", "life", None)]
    assert await _slot().start() == "http://127.0.0.1:1"


@pytest.mark.parametrize(("address", "secret"), [(None, False), ("auto", True)])
def test_only_slots_that_others_can_reach_have_a_token(
    address: str | None, secret: bool, actor: ScriptedActor
) -> None:
    slots = ray_slot.make_slots(RayConfig(address=address), SlotsConfig(count=2, gpus=0))
    tokens = {slot.token for slot in slots}
    assert len(tokens) == 1
    assert (tokens != {None}) is secret
    assert not secret or len(tokens.pop() or "") >= 32


async def test_an_outage_is_told_once(
    actor: ScriptedActor, caplog: pytest.LogCaptureFixture
) -> None:
    slot = _slot()
    actor.lifetime.answers = [BLIP, BLIP, DEATH]
    actor.call.answers = [BLIP, BLIP, 1.0, BLIP, BLIP, 2.0]
    await asyncio.gather(slot.lost(), slot.memory_gb())
    assert caplog.text.count("slot-0 cannot be reached (ActorUnavailableError)") == 1
    await slot.memory_gb()
    assert caplog.text.count("slot-0 cannot be reached") == 2


def test_gpus_that_this_machine_will_never_have_are_refused_at_once(
    actor: ScriptedActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_slot.ray, "cluster_resources", lambda: {"GPU": 1.0})
    with pytest.raises(ServiceError, match=r"2 GPUs for each of 1 slots; this machine has 1"):
        ray_slot.make_slots(RayConfig(), SlotsConfig(gpus=2))
    assert len(ray_slot.make_slots(RayConfig(), SlotsConfig(gpus=1))) == 1
    assert len(ray_slot.make_slots(RayConfig(address="auto"), SlotsConfig(gpus=2))) == 1
