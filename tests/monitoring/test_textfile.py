"""The text file says what the last run did, in metrics that Prometheus can read."""

from __future__ import annotations

import datetime as dt

from prometheus_client.parser import text_string_to_metric_families

from monitoring import names
from monitoring.textfile import write_metrics
from pipeline.stage import StageResult


def test_every_pipeline_metric_is_written_with_its_labels(tmp_path):
    result = StageResult((), 12, {}, "features", dt.date(2017, 11, 5), 1.5, 1000)
    path = tmp_path / "metrics" / "vitrine.prom"
    write_metrics(path, [result], {"release": {"ndcg@20": 0.25}}, 1_509_926_400)
    samples = {s.name: s for family in text_string_to_metric_families(path.read_text()) for s in family.samples}
    assert set(samples) == {metric.name for metric in names.PIPELINE}
    assert (samples["vitrine_stage_rows"].labels, samples["vitrine_stage_rows"].value) == ({"stage": "features"}, 12)
    assert samples["vitrine_evaluation"].labels == {"model": "release", "metric": "ndcg@20"}
    assert samples["vitrine_run_day_timestamp_seconds"].value == 1_509_926_400


def test_a_users_bytes_are_those_of_the_last_sync(tmp_path):
    counts = {"bytes": 25_000.0, "events": 900.0, "users left out": 3.0}
    synced = StageResult((), 10, counts, "sync", dt.date(2017, 11, 5), 1.5, 1000)
    path = tmp_path / "vitrine.prom"
    write_metrics(path, [synced], {}, 1_509_926_400)
    assert {"vitrine_online_bytes_per_user 2500.0", "vitrine_online_users_left_out 3.0"} <= set(
        path.read_text().splitlines()
    )


def test_of_served_vectors_both_how_many_were_compared_and_how_many_differ_is_told(tmp_path):
    path = tmp_path / "vitrine.prom"
    for counts, share in (({"vectors": 40.0, "skew_share": 0.025}, "0.025"), ({"vectors": 40.0}, "0.0")):
        audited = StageResult((), 138, counts, "audit", dt.date(2017, 11, 5), 1.5, 1000)
        write_metrics(path, [audited], {}, 1_509_926_400)
        told = set(path.read_text().splitlines())
        assert {"vitrine_skew_vectors 40.0", f"vitrine_skew_share {share}"} <= told


def test_metric_names_are_unique_and_follow_prometheus():
    every = [metric.name for metric in names.SERVING + names.PIPELINE]
    assert len(set(every)) == len(every)
    for metric in names.SERVING + names.PIPELINE:
        assert metric.name.startswith("vitrine_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
