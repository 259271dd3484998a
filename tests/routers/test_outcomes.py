"""The outcome table: which rows win, what a file keeps, and what a wrong file is told."""

from dataclasses import asdict, replace
from typing import Never

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experts.errors import ConfigError
from routers.outcomes import SCHEMA, Outcome, OutcomeTable

ROW = Outcome("q1", "sums", "add one", "adder", "1", 1.0, 4, 0.5, "two")


def rows_of(table):
    return [Outcome(**row) for row in table.rows.to_pylist()]


def test_rows_come_back_from_the_file(tmp_path, outcomes) -> None:
    path = tmp_path / "new folder" / "outcomes.parquet"
    OutcomeTable.from_rows(outcomes).write(path)

    assert rows_of(OutcomeTable.read(path)) == outcomes
    assert [file.name for file in path.parent.iterdir()] == ["outcomes.parquet"]


def test_later_rows_win() -> None:
    better, other = replace(ROW, score=0.0), replace(ROW, query_id="q2")
    table = OutcomeTable.from_rows([ROW, other]).append([better])

    assert rows_of(table) == [other, better]
    assert rows_of(OutcomeTable.from_rows([better, other, ROW])) == [other, ROW]


def test_appending_nothing_changes_nothing() -> None:
    assert rows_of(OutcomeTable.from_rows([ROW]).append([])) == [ROW]


def test_merge_keeps_both_and_prefers_the_newer(encoder) -> None:
    old = OutcomeTable.from_rows([ROW, replace(ROW, query_id="q2", query="add two")])
    new = OutcomeTable.from_rows([replace(ROW, text="2"), replace(ROW, query_id="q3")])
    merged = old.with_embeddings(encoder).merge(new.with_embeddings(encoder))

    assert {(row.query_id, row.text) for row in rows_of(merged)} == {
        ("q1", "2"),
        ("q2", "two"),
        ("q3", "two"),
    }
    assert set(merged.vectors) == {"q1", "q2", "q3"}


def test_merge_drops_vectors_of_another_encoder(encoder) -> None:
    old = OutcomeTable.from_rows([ROW]).with_embeddings(encoder)
    new = replace(
        OutcomeTable.from_rows([replace(ROW, query_id="q2")]),
        vectors={"q2": np.ones(3, dtype=np.float32)},
        encoder="another",
    )

    assert set(old.merge(new).vectors) == {"q1"}


def test_matrix_has_nan_where_an_expert_was_not_asked() -> None:
    rows = [
        replace(ROW, query_id="q2", query="b", expert="zed", score=0.25),
        replace(ROW, query_id="q1", query="a"),
    ]
    queries, experts, scores = OutcomeTable.from_rows(rows).matrix()

    assert [(query.id, query.task, query.text) for query in queries] == [
        ("q1", "sums", "a"),
        ("q2", "sums", "b"),
    ]
    assert experts == ["adder", "zed"]
    np.testing.assert_equal(scores, [[1.0, np.nan], [np.nan, 0.25]])


def test_matrix_counts_only_the_newest_version_of_an_expert() -> None:
    old = [ROW, replace(ROW, query_id="q2", query="b")]
    new = replace(ROW, expert_version="2", score=0.5)
    _, _, scores = OutcomeTable.from_rows(old).append([new]).matrix()

    np.testing.assert_equal(scores, [[0.5], [np.nan]])


def test_vectors_are_kept_once_per_query_and_not_computed_again(
    tmp_path, outcomes, encoder
) -> None:
    path = tmp_path / "outcomes.parquet"
    OutcomeTable.from_rows(outcomes).with_embeddings(encoder).write(path)
    expected = encoder.encode([query.text for query in OutcomeTable.read(path).queries()])
    encoder.encoded.clear()
    table = OutcomeTable.read(path).with_embeddings(encoder)

    assert encoder.encoded == []
    assert table.encoder == "letters"
    np.testing.assert_array_equal(table.embeddings(), expected)
    assert pq.read_table(path)["embedding"].null_count == len(outcomes) - len(expected)


def test_only_missing_vectors_are_computed(outcomes, encoder) -> None:
    table = OutcomeTable.from_rows(outcomes).with_embeddings(encoder)
    encoder.encoded.clear()
    grown = table.append([replace(ROW, query="new question")]).with_embeddings(encoder)

    assert encoder.encoded == ["new question"]
    assert grown.embeddings().shape == (9, encoder.dimension)


@pytest.mark.parametrize(("name", "dimension"), [("another", 27), ("letters", 28)])
def test_vectors_of_another_encoder_are_computed_again(outcomes, encoder, name, dimension) -> None:
    stored = {o.query_id: np.ones(dimension, dtype=np.float32) for o in outcomes}
    table = replace(OutcomeTable.from_rows(outcomes), vectors=stored, encoder=name)
    table = table.with_embeddings(encoder)

    assert len(encoder.encoded) == 8
    assert table.encoder == "letters"


def test_missing_file_says_what_to_do(tmp_path) -> None:
    path = tmp_path / "outcomes.parquet"

    with pytest.raises(ConfigError) as caught:
        OutcomeTable.read(path)

    assert str(caught.value) == (
        f"{path}: there is no outcome table. `coterie profile --config FILE` writes a new one."
    )


def test_file_that_is_no_parquet(tmp_path) -> None:
    path = tmp_path / "outcomes.parquet"
    path.write_text("query,expert", encoding="utf-8")

    with pytest.raises(ConfigError, match="cannot be read as parquet"):
        OutcomeTable.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": None}, "has empty cells in score"),
        ({"score": 1.5}, r"has a score outside 0\.\.1: 1\.5 in row 1 \(query q2\)"),
        ({"score": float("nan")}, r"has a score outside 0\.\.1: nan in row 1"),
        ({"query_id": "q1", "query": "other"}, "gives the query_id q1 to different questions"),
    ],
)
def test_wrong_rows_are_named(tmp_path, change, message) -> None:
    path = tmp_path / "outcomes.parquet"
    good = asdict(ROW)
    wrong = {**good, "query_id": "q2", "expert": "zed", **change}
    pq.write_table(pa.Table.from_pylist([good, wrong], schema=SCHEMA), path)

    with pytest.raises(ConfigError, match=message) as caught:
        OutcomeTable.read(path)

    assert str(caught.value).startswith(str(path))
    assert "coterie profile" in caught.value.hint


def test_missing_columns_are_named(tmp_path) -> None:
    path = tmp_path / "outcomes.parquet"
    table = pa.Table.from_pylist([asdict(ROW)], schema=SCHEMA)
    pq.write_table(table.drop_columns(["score", "seconds"]), path)

    with pytest.raises(ConfigError, match="lacks the columns score, seconds"):
        OutcomeTable.read(path)


def test_columns_of_the_wrong_type(tmp_path) -> None:
    path = tmp_path / "outcomes.parquet"
    pq.write_table(pa.table({name: ["x"] for name in SCHEMA.names}), path)

    with pytest.raises(ConfigError, match="column of the wrong type"):
        OutcomeTable.read(path)


def test_no_rows(tmp_path) -> None:
    path = tmp_path / "outcomes.parquet"
    pq.write_table(pa.Table.from_pylist([], schema=SCHEMA), path)

    with pytest.raises(ConfigError, match="has no rows"):
        OutcomeTable.read(path)


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, outcomes) -> None:
    path = tmp_path / "outcomes.parquet"
    OutcomeTable.from_rows([ROW]).write(path)

    def fail(table, where, **_) -> Never:
        where.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(OSError, match="the disk is full"):
        OutcomeTable.from_rows(outcomes).write(path)

    assert rows_of(OutcomeTable.read(path)) == [ROW]
    assert list(tmp_path.iterdir()) == [path]


ROWS = st.lists(
    st.builds(
        replace,
        st.just(ROW),
        query_id=st.sampled_from("abc"),
        expert=st.sampled_from("xyz"),
        expert_version=st.sampled_from("12"),
        score=st.floats(0, 1),
    ),
    min_size=1,
    max_size=20,
)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_append_is_the_same_as_one_list(first, second) -> None:
    appended = OutcomeTable.from_rows(first).append(second)
    merged = OutcomeTable.from_rows(first).merge(OutcomeTable.from_rows(second))
    expected = {}
    for row in first + second:
        key = (row.query_id, row.expert, row.expert_version)
        expected.pop(key, None)
        expected[key] = row

    assert rows_of(appended) == rows_of(merged) == list(expected.values())
    assert rows_of(OutcomeTable.from_rows(first + second)) == list(expected.values())


@settings(deadline=None)
@given(ROWS)
def test_matrix_holds_the_newest_score_of_each_cell(rows) -> None:
    queries, experts, scores = OutcomeTable.from_rows(rows).matrix()
    newest = {row.expert: row.expert_version for row in rows}

    # What comes last in the list is what was written last.
    for number, query in enumerate(queries):
        for column, expert in enumerate(experts):
            cell = [
                row.score
                for row in rows
                if (row.query_id, row.expert) == (query.id, expert)
                and row.expert_version == newest[expert]
            ]
            np.testing.assert_equal(scores[number, column], cell[-1] if cell else np.nan)


def test_keywords_are_kept_beside_the_vectors(tmp_path, encoder) -> None:
    path = tmp_path / "outcomes.parquet"
    rows = [ROW, replace(ROW, expert="atlas"), replace(ROW, query_id="q2", query="add two")]
    table = OutcomeTable.from_rows(rows).with_skills({"q1": ("adding", "small"), "q2": ()}, "t 1")
    table.with_embeddings(encoder).write(path)

    read = OutcomeTable.read(path)
    assert read.skills == {"q1": ("adding", "small"), "q2": ()}
    assert (read.tagger, read.encoder) == ("t 1", encoder.name)
    assert [query.skills for query in read.queries()] == [("adding", "small"), ()]
    assert read.with_skills({"q2": ("b",)}, "t 1").skills["q1"] == ("adding", "small")
    assert read.with_skills({"q2": ("b",)}, "t 2").skills == {"q2": ("b",)}
