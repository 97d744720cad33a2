"""The report of an evaluation: one page that needs nothing else and shows whatever was measured."""

import datetime as dt
import json
import shutil

import numpy as np
import pytest

from feature_store.catalog import build_catalog
from pipeline.evaluation.contenders import Asked
from pipeline.evaluation.examples import examples_of
from pipeline.evaluation.gate import Decision, Finding
from pipeline.evaluation.judgement import Truth, sources_of
from pipeline.evaluation.report import Ranker, report_page
from pipeline.evaluation.reporting import forget_examples, write_report
from tests.pages import Page

DAY = dt.date(2017, 11, 5)
HOSTILE = "</table><script src=//evil.example/x.js></script><img onerror=alert(1)>&"
METRICS = {"ndcg@20": 0.25, "recall@20": 0.2}
INTERVALS = {"ndcg@20": [0.25, 0.2, 0.3], "recall@20": [0.2, 0.1, 0.3], "mrr": [0.1, 0.0, 0.2]}
REPORT = {
    "day": str(DAY),
    "cut": str(DAY),
    "judged": ["2017-11-06", "2017-11-12"],
    "users": 1234,
    "champion": "20171029-aaaaaaaa",
    "models": {"release": {**METRICS, "gauc": 0.8}, "champion": METRICS, "frequency": METRICS},
    "best_baseline": "frequency",
    "model_intervals": dict.fromkeys(("release", "champion", "frequency"), INTERVALS),
    "curves": {model: {"ndcg": [[1, 0.3], [20, 0.25]], "recall": [[1, 0.1], [20, 0.2]]} for model in ("release",)},
    "intervals": INTERVALS,
    "differences": {"champion": INTERVALS, "best_baseline": INTERVALS},
    "groups": {
        HOSTILE: {"users": 3, **METRICS},
        "some": {"users": 3, "gauc": 0.8125},
        "new items": {"users": 3, "share_of_wanted": 0.1, "recall@20": 0.0},
    },
    "segments": {HOSTILE: {HOSTILE: {"users": 3, **METRICS}, "": {"users": 1, **METRICS}}},
    "sources": {"personal": {"listed": 0.9, "alone": 0.2, "found": 0.95}},
}
DECISION = Decision(
    promoted=False,
    champion="20171029-aaaaaaaa",
    findings=(Finding("ndcg@20 not worse than champion", False, "the difference is -0.0100", -0.01),),
).as_json()
EXAMPLE = {
    "baskets": 7,
    "listed": [{"title": HOSTILE, "sources": ["personal"], "bought": True}],
    "bought": [{"title": "Milk", "listed": False}, {"title": "", "listed": False}],
    "bought_items": 2,
}


EARNED = {"impressions": 2000, "users": 3, "clicks": 1, "purchases": 0, "gmv": 0.0, "ctr": [0.05, 0.01, 0.1]}
BUSINESS = {"from": "a", "to": "b", "attribution_hours": 24, "all": EARNED, "by": {"slot": {HOSTILE: EARNED}}}


BAND = {"value": 2.0, "contribution": -0.25}
RANKER = Ranker(
    {HOSTILE: 0.6, "a": 0.4},
    {"rows": 9, "features": {HOSTILE: {"size": 0.3, "bands": [BAND, BAND]}}},
    {
        "method": "isotonic",
        "expected_calibration_error": 0.0123,
        "reliability": [{"expected": n / 20, "happened": n / 21, "rows": 5} for n in range(10)],
    },
)


def page(**changed):
    given = {
        "examples": [EXAMPLE],
        "business": BUSINESS,
        "ranker": RANKER,
        "release": "20171105-bbbbbbbb",
    }
    return report_page(REPORT, **{**given, "decision": DECISION, **changed})


def test_it_shows_every_part_of_what_was_measured():
    words = Page(page()).words
    for part in ("Gate", "Beside its rivals", "Differences", "Groups", "recall source", "ranker looks at", "Examples"):
        assert part in words
    for said in (
        "1,234 users",
        "BROKEN",
        "the difference is -0.0100",
        "refused",
        "5.00% (1.00%-10.00%)",
        "-0.25 (around 2)",
        "0.8125",
        "is 0.0123",
        "best baseline frequency",
        "Milk",
    ):
        assert said in words


def test_nothing_hostile_and_nothing_from_outside_is_in_it():
    hostile = Page(page())
    assert hostile.outside == []
    assert "onerror" in hostile.words, "shown as the text that it is"


def test_a_report_of_little_has_no_empty_parts():
    little = {key: REPORT[key] for key in ("day", "cut", "judged", "users")}
    little |= {"champion": None, "best_baseline": None, "differences": {}, "groups": {}, "models": {"release": METRICS}}
    found = Page(report_page(little, examples=[], business={}, ranker=Ranker({}, {}, {}), release=None, decision=None))
    assert "not asked yet" in found.words
    assert "Examples" not in found.words


def test_shares_of_sources_count_places_and_hits():
    """Both sources offered the first place, one alone the second, which was bought; the third is empty."""
    proposed = {"a": np.array([[True, True, False]]), "b": np.array([[True, False, False]])}
    truth = Truth([np.array([5])], [np.array([1.0])], np.array([1]))
    shares = sources_of(np.array([[4, 5, -1]]), proposed, truth)
    assert shares == {"a": {"listed": 1, "alone": 0.5, "found": 1}, "b": {"listed": 0.5, "alone": 0, "found": 0}}


def test_examples_name_items_and_nobody():
    catalog = build_catalog(
        ["x", "y"], ["Milk", "Bread"], {level: ["", ""] for level in ("category", "subcategory", "brand")}
    )
    milk, bread = catalog.rows_of_ids(["x", "y"])
    asked = Asked(np.array([[milk, -1]]), {"popular": np.array([[True, False]])}, [], np.zeros(1))
    truth = Truth([np.array([bread, milk, -2])], [np.array([1.0, 3.0, 2.0])], np.array([4]))
    assert examples_of(asked, truth, catalog) == [
        {
            "baskets": 4,
            "listed": [{"title": "Milk", "sources": ["popular"], "bought": True}],
            "bought": [
                {"title": "Milk", "listed": True},
                {"title": "", "listed": False},
                {"title": "Bread", "listed": False},
            ],
            "bought_items": 3,
        }
    ]


@pytest.fixture
def finished(finished_run, tmp_path):
    return finished_run.copy(tmp_path)


def test_a_run_leaves_a_report_with_the_decision(finished):
    folder = finished.workspace.evaluation(DAY)
    found = Page((folder / "report.html").read_text())
    assert "goes into use" in found.words
    assert "quality_score at least" in found.words
    assert found.outside == []
    assert len(json.loads((folder / "examples.json").read_text())) == 5
    before = (folder / "report.html").read_bytes()
    assert write_report(DAY, finished).read_bytes() == before


def test_who_is_forgotten_is_in_no_example(finished):
    assert forget_examples(finished) == [str(DAY)]
    folder = finished.workspace.evaluation(DAY)
    assert not (folder / "examples.json").exists()
    assert "Examples" not in Page((folder / "report.html").read_text()).words
    assert forget_examples(finished) == []


def test_without_a_release_the_gate_was_not_asked(finished):
    shutil.rmtree(finished.releases)
    assert "not asked yet" in Page(write_report(DAY, finished).read_text()).words
