"""`vitrine features` lists what it is asked for, and explains one feature from its code to its weight."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from feature_store.registry import registry
from pipeline.commands.features import app, describe, entity_of, family_of
from pipeline.recommender.ranker.explanation import summary
from pipeline.recommender.ranker.model import Explanation


def said(*arguments: str, **environment: str) -> str:
    """The output, as if the terminal were wide enough for any line."""
    done = CliRunner().invoke(app, list(arguments), env=environment)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize(
    ("option", "value", "fact"),
    [
        ("--entity", "item", entity_of),
        ("--entity", "candidate", entity_of),
        ("--kind", "request", lambda feature: feature.kind),
        ("--family", "affinity", family_of),
        ("--unit", "days", lambda feature: feature.unit),
    ],
)
def test_a_list_holds_those_asked_for_and_no_other(option, value, fact) -> None:
    chosen = [name for name, feature in registry().items() if fact(feature) == value]
    assert f" {len(chosen)} features" in said(option, value)
    assert 0 < len(chosen) < len(registry())


def test_a_stored_feature_is_explained_whole(tmp_path) -> None:
    name = "item_line_count_7d"
    snapshot, model = tmp_path / "features" / "day=2017-11-05", tmp_path / "train" / "day=2017-11-05"
    snapshot.mkdir(parents=True)
    model.mkdir(parents=True)
    pq.write_table(pa.table({name: pa.array([0, 0, 2, 6], pa.float32())}), snapshot / "item.parquet")
    (model / "schema.json").write_text(json.dumps({"importance": {name: 1.0, "other": 3.0}}))
    bands = [{"value": 0, "contribution": -0.25}, {"value": 6, "contribution": 1.5}]
    (model / "explanation.json").write_text(json.dumps({"features": {name: {"size": 0.5, "bands": bands}}}))
    shown = said("--explain", name, VITRINE_WORK_DIR=str(tmp_path))
    assert f"{name} (stored, one for each item, lines, default 0)" in shown
    assert "Source: purchases." in shown
    assert "moves a score by 0.5 in the mean; from low to high values: -0.25 at 0, +1.5 at 6" in shown
    assert "return purchases.lines(7)" in shown
    assert "between 0 and inf" in shown
    assert "4 values, 2 missing (the default), min 0, 25 % 0, median 1, 75 % 3, max 6" in shown
    assert "25.00% of all gain, place 2 of 2" in shown


def test_a_request_feature_is_explained_by_the_rows_that_a_model_was_trained_on(tmp_path) -> None:
    name = "user_item_due"
    model = tmp_path / "train" / "day=2017-11-05"
    model.mkdir(parents=True)
    (model / "schema.json").write_text(json.dumps({"importance": {name: 1.0}}))
    matrix = np.array([[0], [0], [2], [6]], np.float32)
    told = summary(Explanation({name: 1.0}, np.array([[-1], [-1], [0], [2]], np.float32)), [name], matrix)
    (model / "explanation.json").write_text(json.dumps(told))
    shown = said("--explain", name, VITRINE_WORK_DIR=str(tmp_path))
    assert "4 training rows: min 0, 25 % 0, median 1, 75 % 3, max 6" in shown
    assert "same_item.days_since_last / at_least(same_item.mean_gap_days, 1)" in shown
    assert "100.00% of all gain, place 1 of 1" in shown
    assert "moves a score by 1 in the mean; from low to high values: -1 at 0, -1 at 0, +0 at 2, +2 at 6" in shown


def test_without_snapshot_or_model_it_says_so(tmp_path) -> None:
    shown = said("item_line_count_7d", VITRINE_WORK_DIR=str(tmp_path))
    assert "there is no snapshot yet" in shown
    assert "there is no model yet" in shown
    assert "no model explained it" in shown
    assert "no model was trained on it yet" in said("user_item_due", VITRINE_WORK_DIR=str(tmp_path))


def test_values_are_described_by_quartiles() -> None:
    found = describe(np.array([1, 2, 3, 4, 5], np.float32), 5)
    assert found == "5 values, 1 missing (the default), min 1, 25 % 2, median 3, 75 % 4, max 5"
