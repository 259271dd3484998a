"""Which steps of the GPU check run, beside which others, and which are in vain."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from deploy.gpu_check.plan import Step
from deploy.gpu_check.schedule import Schedule
from deploy.gpu_check.verdicts import Outcome, Verdict

PATIENCE_S = 10


def step(name: str, **settings: object) -> Step:
    return Step(name, "", name, **{"limit_s": 60, "needs": (), **settings})


@dataclass
class Scripted:
    """Steps that end when the test says so, or at once with what is scripted."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    held: Sequence[str] = ()
    limits: dict[str, float] = field(default_factory=dict)
    beside: dict[str, set[str]] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    told: list[Verdict] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, one: Step, limit_s: float) -> Verdict:
        self.limits[one.name] = limit_s
        self.running.add(one.name)
        for name in self.running:
            self.beside.setdefault(name, set()).update(self.running - {name})
        self.changed.set()
        try:
            if one.name in self.held:
                await self.release.wait()
            else:
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.add(one.name)
            raise
        finally:
            self.running.remove(one.name)
        return Verdict(one.name, self.outcomes.get(one.name, Outcome.OK), "scripted")

    async def check(
        self, *steps: Step, jobs: int = 1, total_s: float = 600.0, **settings: object
    ) -> dict[str, tuple[Outcome, str]]:
        given = {"cpu": False, "present": {}, **settings}
        schedule = Schedule(steps, self.run, self.told.append, jobs=jobs, total_s=total_s, **given)
        async with asyncio.timeout(PATIENCE_S):
            verdicts = await schedule.run()
        assert verdicts == self.told
        return {verdict.step: (verdict.outcome, verdict.why) for verdict in verdicts}


async def test_one_at_a_time_runs_in_order() -> None:
    script = Scripted()
    await script.check(step("a"), step("b"), step("c"))

    assert [verdict.step for verdict in script.told] == ["a", "b", "c"]
    assert not any(script.beside.values())


async def test_a_failed_step_does_not_stop_the_next() -> None:
    found = await Scripted({"a": Outcome.FAILED}).check(step("a"), step("b"))

    assert found == {"a": (Outcome.FAILED, "scripted"), "b": (Outcome.OK, "scripted")}


async def test_after_a_failed_gate_everything_is_skipped_but_the_other_gates() -> None:
    found = await Scripted({"first": Outcome.FAILED}).check(
        step("first", gate=True), step("second", gate=True), step("a"), step("b"), jobs=4
    )

    assert found["second"] == (Outcome.OK, "scripted")
    assert found["a"] == found["b"] == (Outcome.SKIPPED, "first failed")


async def test_nothing_begins_before_the_gates_have_ended() -> None:
    script = Scripted()
    await script.check(step("gate", gate=True), step("a"), jobs=4)

    assert script.beside["gate"] == set()


async def test_a_skipped_gate_lets_everything_through() -> None:
    found = await Scripted({"gate": Outcome.SKIPPED}).check(step("gate", gate=True), step("a"))

    assert found["a"] == (Outcome.OK, "scripted")


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SKIPPED])
async def test_what_uses_a_step_that_gave_nothing_is_skipped(outcome: Outcome) -> None:
    found = await Scripted({"models": outcome}).check(
        step("models"), step("figures", after=("models",)), step("more", after=("figures",))
    )

    assert found["figures"] == (Outcome.SKIPPED, "models gave it nothing to work with")
    assert found["more"] == (Outcome.SKIPPED, "figures gave it nothing to work with")


async def test_as_many_as_there_are_jobs_run_side_by_side_and_what_measures_runs_alone() -> None:
    script = Scripted(held=("a", "b"))

    async def both_run() -> None:
        while not {"a", "b"} <= script.running:
            script.changed.clear()
            await script.changed.wait()
        script.release.set()

    waiting = asyncio.ensure_future(both_run())
    await script.check(
        step("a"), step("b"), step("c"), step("alone", alone=True), step("d"), jobs=2
    )
    await waiting

    assert script.beside["a"] >= {"b"}
    assert script.beside["alone"] == set()
    assert all(len(names) <= 3 for names in script.beside.values())
    order = [verdict.step for verdict in script.told]
    assert order.index("alone") < order.index("d")


async def test_a_limit_is_cut_to_the_time_that_is_left() -> None:
    script = Scripted()
    await script.check(step("a", limit_s=60), step("b", limit_s=500), total_s=100)

    assert script.limits["a"] == 60
    assert 90 < script.limits["b"] <= 100


async def test_without_time_left_nothing_runs() -> None:
    script = Scripted()
    found = await script.check(step("a"), step("b"), total_s=0)

    assert found == {name: (Outcome.SKIPPED, "no time left") for name in ("a", "b")}
    assert not script.limits


async def test_what_the_machine_lacks_is_skipped() -> None:
    found = await Scripted().check(
        step("a", device=True), step("b", needs=("ray",)), step("c"), cpu=True,
        present={"ray": False},
    )  # fmt: skip

    assert found["a"] == (Outcome.SKIPPED, "needs a GPU")
    assert found["b"] == (Outcome.SKIPPED, "needs ray, not installed here")
    assert found["c"] == (Outcome.OK, "scripted")


async def test_verdicts_keep_the_order_of_the_steps() -> None:
    script = Scripted()
    await script.check(
        step("environment", gate=True, alone=True), step("kernels", gate=True, device=True),
        step("a", device=True), step("b"), cpu=True, jobs=4,
    )  # fmt: skip

    assert [verdict.step for verdict in script.told] == ["environment", "kernels", "a", "b"]


async def test_an_interrupted_check_ends_its_steps() -> None:
    script = Scripted(held=("a", "b"))
    checking = asyncio.ensure_future(script.check(step("a"), step("b"), step("c"), jobs=2))
    while len(script.running) < 2:
        script.changed.clear()
        await script.changed.wait()
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking

    assert script.cancelled == {"a", "b"}
    assert "c" not in script.limits
