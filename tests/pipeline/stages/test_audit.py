"""Whether features leak is asked once of the same features, and again until none does; publish wants it asked."""

from __future__ import annotations

import datetime as dt
import json
import shutil

import pytest

from pipeline.audits.results import kept, kept_facts
from pipeline.configuration import load_settings
from pipeline.day_run import load_stage
from pipeline.errors import LeakError, PipelineError
from pipeline.evaluation.gate import decide
from pipeline.recommender.release import current
from pipeline.stages.audit import audit
from tests.feature_store.archive import TODAY, random_shop
from tests.pipeline.conftest import DAY

LAST = TODAY - dt.timedelta(days=1)


@pytest.fixture
def shop(tmp_path, settings):
    random_shop(21, users=25, items=40, baskets=700).write(tmp_path / "work" / "clean")
    return settings()


def test_leaks_are_looked_for_once(shop):
    first = audit(LAST, shop)
    assert (first.counts["looked_for_leaks"], first.counts["leaks"]) == (1, 0)
    shutil.rmtree(shop.workspace.clean)  # nothing is read a second time
    again = audit(LAST + dt.timedelta(days=1), shop)
    assert (again.counts["looked_for_leaks"], again.counts["leaks"]) == (0, 0)
    assert again.rows == first.rows


def test_they_are_looked_for_again_when_another_recall_source_is_asked(shop):
    audit(LAST, shop)
    fewer = shop.model_copy(update={"scenes": {"home": shop.scenes["home"].model_copy(deep=True)}})
    fewer.scenes["home"].recall.pop("usercf")
    assert kept("leaks", fewer) is None
    assert audit(LAST, fewer).counts["looked_for_leaks"] == 1
    assert kept("leaks", shop) is None


def test_a_leaking_feature_stops_every_run_until_it_is_mended(shop, planted):
    for _ in range(2):
        with pytest.raises(LeakError, match=planted):
            audit(LAST, shop)
    assert kept_facts(shop) == {"leaks": 1.0}


def test_where_nobody_bought_the_gate_refuses_and_the_next_run_looks_again(shop):
    closed = TODAY + dt.timedelta(days=30)
    for _ in range(2):
        assert audit(closed, shop).counts["looked_for_leaks"] == 1
    assert kept("leaks", shop) == {}
    report = {"models": {"release": {}}, "champion": None, "differences": {}}
    rules = [rule for rule in load_settings().gate.rules if rule.metric == "leaks"]
    decision = decide(report, kept_facts(shop), shop.gate.model_copy(update={"rules": tuple(rules)}))
    assert decision.reasons == ["leaks at most 0: not measured"]


def test_a_run_tells_the_gate_that_no_feature_leaks(finished_run):
    settings = load_settings(arguments={**finished_run.overrides, "work_dir": finished_run.folder / "work"})
    decision = json.loads((settings.releases / current(settings.releases) / "decision.json").read_text())
    assert {"rule": "leaks at most 0", "holds": True, "reason": "it is 0", "value": 0.0} in decision["findings"]


def test_what_was_never_audited_is_not_published(finished_run, tmp_path):
    settings = finished_run.copy(tmp_path, before="publish")
    shutil.rmtree(settings.workspace.audits)
    with pytest.raises(PipelineError, match=f"vitrine stage audit --day {DAY}"):
        load_stage("publish")(DAY, settings)
    assert current(settings.releases) is None
