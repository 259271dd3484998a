"""A whole run over a pool of scripted remote experts: real service, real gateway, real command."""

from __future__ import annotations

import io
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from scripted_experts import ScriptedExperts
from scripted_pool import SKILLS, pool_tree

from evals.client.progress import Progress
from evals.runs.folder import RunFolder
from evals.runs.record import Row, RunInfo
from evals.runs.run import run
from evals.runs.settings import RunOptions
from experts.errors import ConfigError, ServiceError
from orchestrator.config.model import ApiKey, load_config
from orchestrator.service import start_service
from routers.outcomes import Outcome, OutcomeTable

Options = Callable[..., RunOptions]
QUESTIONS = 18
"""Of the three tasks together."""


async def made(pool: Path | None, options: RunOptions) -> tuple[RunInfo, list[Row], str, int]:
    """Run it; the run's head and rows, what was printed, and the exit code."""
    out = io.StringIO()
    console = Console(file=out, width=160)
    with Progress(console) as progress:
        finish = await run(progress, pool, options)
    code = finish(console)
    folder = RunFolder(options.out)
    info = folder.info()
    assert info is not None
    return info, folder.rows(), out.getvalue(), code


def by_subject(rows: list[Row]) -> dict[str, list[Row]]:
    return {name: [r for r in rows if r.subject == name] for name in {r.subject for r in rows}}


async def test_each_distinct_call_is_made_once(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    info, rows, printed, code = await made(pool, options())
    assert code == 0, printed
    assert set(experts.times.values()) == {1}
    assert info.totals is not None
    # The cascade wants log-probabilities: one answer with them serves everybody.
    assert info.totals.asked == len(experts.bodies) == 3 * QUESTIONS
    assert info.totals.cached == 0
    # Three experts and three compositions.
    assert len(rows) == 6 * QUESTIONS
    own = by_subject(rows)
    for name in ("sums", "cities", "words"):
        assert sum(row.score for row in own[name]) == 6
    # pool/auto asks that expert.
    assert [row.answer for row in own["pool/auto"]] == [row.answer for row in own["sums"]]
    # The cascade stops where an expert is sure: everybody is of its own questions only.
    assert sum(row.score for row in own["pool/cascade"]) == QUESTIONS
    assert Counter(row.expert for row in own["pool/cascade"]) == {
        "sums": 6,
        "cities": 6,
        "words": 6,
    }
    assert "pool/cascade" in printed
    assert "100.0" in printed


async def test_rows_tell_what_a_composition_did(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    _, rows, _, _ = await made(pool, options(models=("pool/cascade", "pool/vote", "pool/auto")))
    [row] = [r for r in rows if r.subject == "pool/cascade" and r.sample == "cities-2"]
    *unsure, sure = row.candidates
    assert (sure.expert, sure.score) == ("cities", 1.0)
    assert all(one.score == 0.0 for one in unsure)
    assert row.calls == {one.expert: 1 for one in row.candidates}
    assert row.confidence == pytest.approx(0.9)
    assert row.expert == "cities"
    assert row.routed is not None
    assert set(row.routed.panel) == {"sums", "cities", "words"}
    assert [one.expert for one in row.candidates] == list(row.routed.panel)[: len(row.candidates)]
    assert row.tokens["cities"].model_dump() == {"prompt": 2, "completion": 2}
    read = sum(t.prompt + t.completion for t in row.tokens.values())
    assert row.price_usd == pytest.approx(read * 2.0 / 1e6)
    assert row.seconds > 0
    [vote] = [r for r in rows if r.subject == "pool/vote" and r.sample == "cities-2"]
    assert vote.confidence == pytest.approx(1 / 3)
    assert vote.expert is None
    [auto] = [r for r in rows if r.subject == "pool/auto" and r.sample == "cities-2"]
    assert auto.routed is not None
    assert auto.confidence == auto.routed.scores["sums"]
    assert len(auto.candidates) == 1


async def test_a_vote_for_which_one_member_was_enough_has_its_name(
    experts: ScriptedExperts, options: Options, tmp_path: Path
) -> None:
    tree = pool_tree(experts.base_url)
    vote = tree["compositions"]["pool/vote"]
    tree["compositions"] = {
        "pool/early": {
            **vote,
            "aggregator": {"type": "vote", "answer": "text", "stop_at": 0.51, "chunk": 1},
        }
    }
    path = tmp_path / "early.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    _, rows, _, _ = await made(path, options(models=("pool/early",)))
    called = {len(row.calls) for row in rows}
    assert 1 in called
    for row in rows:
        assert row.routed is not None
        assert len(row.routed.panel) == 3
        assert row.expert == (next(iter(row.calls)) if len(row.calls) == 1 else None)


async def test_another_run_asks_nothing_again(
    pool: Path, experts: ScriptedExperts, options: Options, tmp_path: Path
) -> None:
    _, first, _, _ = await made(pool, options())
    before = len(experts.bodies)
    info, second, _, _ = await made(pool, options(out=tmp_path / "other"))
    assert len(experts.bodies) == before
    assert info.totals is not None
    assert (info.totals.asked, info.totals.cached) == (0, before)
    assert [row.model_dump() for row in second] == [row.model_dump() for row in first]


async def test_a_complete_run_is_only_printed(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    info, _, _, _ = await made(pool, options())
    before = len(experts.bodies)
    again, _, printed, _ = await made(pool, options())
    assert len(experts.bodies) == before
    assert again == info
    assert "complete" in printed


async def test_a_folder_with_other_settings_is_refused_with_what_differs(
    pool: Path, options: Options
) -> None:
    await made(pool, options(limit=2, models=("sums",)))
    with pytest.raises(ConfigError) as error:
        await made(pool, options(limit=3, models=("sums", "words")))
    told = "\n".join(error.value.problems)
    assert "limit: 2, and 3" in told
    assert "subjects: sums, and sums, words" in told
    assert "tasks.sums.questions: 2, and 3" in told


async def test_failed_calls_are_rows_and_made_again(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    experts.refuse = lambda body: 400 if body["model"] == "words" else None
    _, rows, printed, code = await made(pool, options(models=("sums", "words")))
    assert code == 1
    assert len(rows) == 2 * QUESTIONS
    bad = by_subject(rows)["words"]
    assert all(row.error and row.score == 0 for row in bad)
    assert printed.count("FAILED: words") == len({row.task for row in bad})
    assert "expert_refused" in printed
    assert "will be refused again" in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("words "))
    assert set(line.split()[1:]) == {"-"}
    experts.refuse = lambda body: None
    before = len(experts.bodies)
    info, rows, _, code = await made(pool, options(models=("sums", "words")))
    assert code == 0
    assert len(experts.bodies) == before + QUESTIONS
    assert info.totals is not None
    assert info.totals.asked == 2 * QUESTIONS


async def test_a_busy_expert_is_asked_again(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    def busy_once(body: dict[str, object]) -> int | None:
        return 429 if experts.times.total() % 5 == 0 and max(experts.times.values()) == 1 else None

    experts.refuse = busy_once
    _, rows, _, code = await made(pool, options(models=("sums",)))
    assert code == 0
    assert all(row.error is None for row in rows)
    assert max(experts.times.values()) == 2


async def test_draws_have_seeds_of_their_own(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    sampled = replace(options().sampling, temperature=0.7, samples=3, seed=5)
    _, rows, _, _ = await made(pool, options(models=("sums",), limit=1, sampling=sampled))
    assert [row.draw for row in rows] == [0, 1, 2] * 3
    assert {body["seed"] for body in experts.bodies} == {5, 1005, 2005}
    noisy = [row.answer for row in rows if row.task == "cities"]
    assert len(set(noisy)) == 3


async def test_models_of_a_server_by_their_names(
    experts: ScriptedExperts, options: Options, tmp_path: Path
) -> None:
    url = experts.base_url.removesuffix("/v1")
    told = options(url=url, models=("sums", "cities"))
    info, rows, _, code = await made(None, told)
    assert code == 0
    assert sum(row.score for row in rows) == 12
    assert [one.kind for one in info.subjects] == ["expert", "expert"]
    assert not any("coterie" in body for body in experts.bodies)
    assert (told.out / "answers.sqlite").exists()
    assert not (tmp_path / "answers.sqlite").exists()


async def test_a_disk_that_fills_up_costs_nothing_that_was_answered(
    pool: Path, experts: ScriptedExperts, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def on_a_small_disk(*arguments: object, **keywords: object) -> sqlite3.Connection:
        made = connect(*arguments, **keywords)  # type: ignore[call-overload]
        made.execute("PRAGMA max_page_count = 8")
        return made

    given = options(models=("sums", "words"), in_flight=1)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", on_a_small_disk)
        with pytest.raises(ServiceError, match="run the same command again"):
            await made(pool, given)
    before = len(experts.bodies)
    assert 0 < before < 2 * QUESTIONS
    _, rows, _, code = await made(pool, given)
    assert code == 0
    assert sum(row.score for row in rows) == 12
    # The one that found no room is asked again.
    assert len(experts.bodies) == 2 * QUESTIONS + 1


async def test_a_service_that_runs_already_is_asked_in_its_batch_class(
    pool: Path, experts: ScriptedExperts, options: Options
) -> None:
    told: list[str] = []
    settings = load_config(pool)
    keyed = settings.server.model_copy(
        update={"api_keys": {"me": ApiKey.model_validate({"key": "secret"})}}
    )
    running = await start_service(
        settings.model_copy(update={"server": keyed}), on_event=told.append, port=0
    )
    try:
        wanted = options(url=running.base_url, api_key="secret", models=("pool/auto", "words"))
        _, rows, printed, code = await made(pool, wanted)
        assert code == 0
        assert "starting the service" not in printed
        assert sum(row.score for row in rows) == 12
        # What it answered, it answered with the weights of this file.
        _, _, printed, _ = await made(
            pool, replace(wanted, url=None, out=wanted.out.parent / "own")
        )
        assert " 0 asked " in printed
        other = pool.with_name("other.yaml")
        changed = pool.read_text(encoding="utf-8").replace("model: words", "model: sums")
        other.write_text(changed, encoding="utf-8")
        before = len(experts.bodies)
        with pytest.raises(ConfigError, match="does not serve what --config describes") as refused:
            await made(other, replace(wanted, out=wanted.out.parent / "other"))
        assert refused.value.problems == ("words: it has other weights, or another role, there.",)
        unknown = replace(wanted, models=("pool/auto", "wrods"), out=wanted.out.parent / "unknown")
        with pytest.raises(ConfigError, match="has no model wrods") as refused:
            await made(None, unknown)
        assert refused.value.hint == "Did you mean words?"
        assert len(experts.bodies) == before
        assert not unknown.out.exists()
        named = replace(wanted, out=wanted.out.parent / "named")
        info, opaque, _, code = await made(None, named)
    finally:
        await running.stop()
    assert code == 0
    assert [one.kind for one in info.subjects] == ["composition", "expert"]
    assert [(r.answer, r.score) for r in opaque] == [(r.answer, r.score) for r in rows]
    auto = [row for row in opaque if row.subject == "pool/auto"]
    assert {row.expert for row in auto} == {"sums"}
    assert all(row.tokens.keys() == {"sums"} for row in auto)


@pytest.mark.parametrize("url", ["foo", "ftp://somewhere", "http://127.0.0.1:1"])
async def test_an_address_where_nobody_is_asked_nothing(url: str, options: Options) -> None:
    told = options(url=url, models=("sums",))
    with pytest.raises((ConfigError, ServiceError), match=r"no address|No service answers"):
        await made(None, told)
    assert not told.out.exists()


async def test_a_name_that_means_nothing_is_told(pool: Path, options: Options) -> None:
    with pytest.raises(ConfigError, match=r"--models: The model `pool/no` does not exist"):
        await made(pool, options(models=("pool/no",)))
    with pytest.raises(ConfigError, match="names sums twice"):
        await made(pool, options(models=("sums", "sums")))


@pytest.mark.slow
async def test_a_taggers_calls_are_part_of_each_row(
    experts: ScriptedExperts, options: Options, tmp_path: Path
) -> None:
    table = tmp_path / "outcomes.parquet"
    OutcomeTable.from_rows(
        [
            Outcome(f"{skill}-{n}", skill, f"{skill} {n}?", expert, "1", float(expert == skill))
            for skill in SKILLS
            for n in range(3)
            for expert in SKILLS
        ]
    ).write(table)
    tree = pool_tree(experts.base_url)
    tagging = {"tagger": "words", "tag_requests": True, "samples": 2}
    tree["routers"]["skilled"] = {"type": "symbolic_moe", "outcomes": str(table), **tagging}
    tree["compositions"] = {"pool/skilled": {"router": "skilled", "aggregator": {"type": "vote"}}}
    pool = tmp_path / "skilled.yaml"
    pool.write_text(yaml.safe_dump(tree), encoding="utf-8")
    given = options(models=("pool/skilled",), limit=1)
    _, rows, printed, code = await made(pool, given)
    assert code == 0, printed
    for row in rows:
        assert row.routed is not None
        asked = Counter(row.routed.panel)
        # Two samples of the tagger, and the panel, unless its winner was clear before.
        assert row.calls["words"] >= 2
        assert Counter(row.calls) <= asked + Counter({"words": 2})
        # What the tagger says is no answer to the question.
        assert len(row.candidates) == sum(row.calls.values()) - 2
    assert set(experts.times.values()) == {1}
