"""Our verdicts beside recorded ones."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evals.scoring.agreement import agreement, main, read_answers

OUTCOMES = Path(__file__).parents[4] / "shared" / "data" / "outcomes"
ZEROEVAL = OUTCOMES / "zeroeval"
BENCHMARKS = (
    ("simple_evals_ru", "bbh", 5_000),
    ("simple_evals_ru", "math_500", 5_000),
    ("simple_evals_ru", "mgsm_en", 5_000),
    ("simple_evals_ru", "mmlu_pro", 2_500),
    ("mmlu_pro", "mmlu_pro", 30_000),
    ("zeroeval", "cruxeval_o", 40_000),
)
"""Tables, a benchmark, and how many answers it has at least."""
GSM8K_QUESTIONS = 1_319


def _write(folder: Path) -> str:
    prefix = str(folder / "made")
    queries = [
        {"query_id": "a", "benchmark": "gsm8k", "gold": "4", "query": "2 + 2?", "note": None},
        {"query_id": "b", "benchmark": "mbpp", "gold": "assert f(1) == 2",
         "query": "Add one.\ndef f(x):", "note": None},
    ]  # fmt: skip
    answers = [("a", "x", '{"answer": "4"}', 1), ("a", "y", '{"answer": "5"}', 1),
               ("a", "z", "It is \\boxed{4}.", 0), ("b", "x", "    return x + 1", 1)]  # fmt: skip
    keys = [{"query_id": query, "model": model} for query, model, _, _ in answers]
    responses = [one | {"response": said[2]} for one, said in zip(keys, answers, strict=True)]
    outcomes = [
        one | {"correct": said[3], "pred": None} for one, said in zip(keys, answers, strict=True)
    ]
    tables = {"queries": queries, "outcomes": outcomes, "responses": responses}
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), f"{prefix}_{name}.parquet")
    return prefix


def test_disagreements_are_told_apart(tmp_path: Path) -> None:
    number, code = agreement(read_answers(_write(tmp_path)))
    assert (number.benchmark, number.answers) == ("gsm8k", 3)
    assert [one.model for one in number.too_bad] == ["y"]
    assert [one.model for one in number.too_good] == ["z"]
    assert number.share == pytest.approx(1 / 3)
    assert code.share == 1
    assert number.explained_share == pytest.approx(1 / 2)
    assert sum(number.reasons.values()) == 1


def test_the_command_prints_a_line_for_each_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["agreement", _write(tmp_path), "gsm8k", "--show", "1"])
    main()
    printed = capsys.readouterr().out
    assert "gsm8k" in printed
    assert "only we: a z: gold '4'" in printed
    assert "mbpp" not in printed


@pytest.mark.slow
@pytest.mark.skipif(not Path(f"{ZEROEVAL}_queries.parquet").exists(), reason="needs the answers")
def test_zeroeval_verdicts_on_gsm8k_are_reproduced() -> None:
    answers = read_answers(str(ZEROEVAL), ["gsm8k"])
    (found,) = agreement(answers)
    wrong = Counter(one.model for one in (*found.too_good, *found.too_bad))
    complete = [
        model
        for model, count in Counter(one.model for one in answers).items()
        if count == GSM8K_QUESTIONS
    ]
    exact = [model for model in complete if not wrong[model]]
    assert found.share > 0.999
    assert len(exact) >= 30


@pytest.mark.slow
@pytest.mark.parametrize(("table", "benchmark", "least"), BENCHMARKS)
def test_verdicts_agree_but_for_rules_of_the_record(table: str, benchmark: str, least: int) -> None:
    if not (OUTCOMES / f"{table}_queries.parquet").exists():
        pytest.skip("needs the recorded answers")
    (found,) = agreement(read_answers(str(OUTCOMES / table), [benchmark]))
    print(benchmark, found.answers, f"{found.share:.4f}", f"{found.explained_share:.4f}")
    assert found.answers >= least
    assert found.explained_share >= 0.99
    # Nothing is explained away: rules concern a few of a hundred at most.
    assert sum(found.reasons.values()) < 0.04 * found.answers
