"""`vitrine recall report`: what each source finds alone and beside the others."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.commands.recall import app
from pipeline.errors import EmptyDayError, SettingsError
from pipeline.recommender.recall import SOURCES
from pipeline.tuning.offers import ask_everybody
from pipeline.tuning.recall_report import measured, overlap_table, source_table
from tests.pipeline.recommender.shop import FEW_TASTES, NOW
from tests.pipeline.small_knowledge import EVENTS, TRUTH, known, offers

INSIDE, QUOTAS = {"personal": 20, "popular": 10}, {"personal": 20, "popular": 10, "itemcf": 30}


@pytest.fixture(scope="module")
def report():
    sources = {name: SOURCES[name].fit(EVENTS, FEW_TASTES, NOW) for name in QUOTAS}
    return measured(offers(*QUOTAS, depth=500), known(), sources, INSIDE, QUOTAS, {"itemcf": 0.5})


def share_found(*lists):
    """Mean share of what each user bought that any of `lists` (users of arrays) holds."""
    return np.mean([np.isin(truth, np.concatenate(own)).mean() for truth, *own in zip(TRUTH, *lists, strict=True)])


def answers(name, k):
    source = SOURCES[name].fit(EVENTS, FEW_TASTES, NOW)
    from pipeline.recommender.recall.source import Asker

    return [source.candidates(Asker(EVENTS.of(user), NOW), k).items for user in range(EVENTS.users)]


def test_recall_alone_is_the_share_of_purchases_found(report):
    assert report["sources"]["itemcf"]["recall@50"] == pytest.approx(share_found(answers("itemcf", 50)))
    assert report["sources"]["popular"]["recall"] == pytest.approx(share_found(answers("popular", 10)))


def test_what_a_source_adds_is_the_union_with_it_minus_without(report):
    personal, popular = answers("personal", 20), answers("popular", 10)
    both = share_found(personal, popular)
    assert report["union"]["recall"] == pytest.approx(both)
    assert report["sources"]["popular"]["adds"] == pytest.approx(both - share_found(personal))
    with_itemcf = share_found(personal, popular, answers("itemcf", 30))
    assert report["sources"]["itemcf"]["adds"] == pytest.approx(with_itemcf - both)
    assert not report["sources"]["itemcf"]["in_scene"]


def test_overlap_is_the_share_of_its_own_candidates(report):
    personal, popular = answers("personal", 20), answers("popular", 10)
    shared = sum(len(np.intersect1d(*pair)) for pair in zip(personal, popular, strict=True))
    own = sum(map(len, popular))
    assert report["sources"]["popular"]["overlap"]["personal"] == pytest.approx(shared / own)


def test_it_says_what_a_request_and_a_fit_cost(report):
    itemcf = report["sources"]["itemcf"]
    assert 0 < itemcf["milliseconds_p50"] <= itemcf["milliseconds_p99"]
    assert itemcf["fit_seconds"] == 0.5
    assert itemcf["index_bytes"] > 0
    assert 0 < itemcf["coverage"] <= 1


def test_the_tables_name_every_source(report):
    whole = {"scene": "home", "judged": ["2017-11-06", "2017-11-12"], **report}
    for table in (source_table(whole), overlap_table(whole)):
        assert table.row_count == len(QUOTAS)
    assert list(source_table(whole).columns[0].cells) == ["personal", "popular", "(itemcf)"]
    assert json.loads(json.dumps(whole)) == whole


def test_fewer_users_are_spread_over_all():
    assert len(offers("popular", most_users=7).wanted) == 7


def test_nobody_to_ask_is_said():
    with pytest.raises(EmptyDayError, match="bought before and after"):
        ask_everybody(known(), {}, {}, depth=5)


@pytest.mark.slow
def test_the_command_reports_sources_in_and_outside_the_scene(finished_run, tmp_path, monkeypatch):
    settings = finished_run.copy(tmp_path)
    monkeypatch.setenv("VITRINE_WORK_DIR", str(settings.work_dir))
    done = CliRunner().invoke(app, ["report", "--source", "trending"], env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    assert "(trending)" in done.output
    written = json.loads((settings.workspace.reports(dt.date(2017, 11, 5)) / "recall.json").read_text())
    assert [*settings.scenes["home"].recall, "trending"] == list(written["sources"])
    assert 0 < written["union"]["recall"] < 1


def test_a_scene_that_does_not_exist_is_named():
    with pytest.raises(SettingsError, match="nowhere"):
        CliRunner().invoke(app, ["report", "--scene", "nowhere"], catch_exceptions=False)
