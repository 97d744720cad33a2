"""The gate in the pass: a refused release is kept and never used, until a person says why."""

import datetime as dt
import json
import shutil

import pytest

from pipeline import tracking
from pipeline.day_run import load_stage
from pipeline.errors import ReleaseError, SettingsError
from pipeline.evaluation.contenders import champion_of
from pipeline.evaluation.promotion import promote, use
from pipeline.recommender.release import current, is_refused, names, read_decision
from serving.releases import _load

DAY = dt.date(2017, 11, 5)
IMPOSSIBLE = {"rules": [{"metric": "ndcg@20", "at_least": 2}]}


@pytest.fixture(scope="module")
def made(finished_run, tmp_path_factory):
    """A work folder with a champion and a challenger, made with another seed, that the gate refused."""
    folder = tmp_path_factory.mktemp("refused")
    settings = finished_run.copy(folder, seed=7, gate=IMPOSSIBLE)
    before = current(settings.releases)
    for name in ("train", "evaluate", "publish"):
        load_stage(name)(DAY, settings)
    (challenger,) = set(names(settings.releases)) - {before}
    return settings, before, challenger


@pytest.fixture
def refused(made, tmp_path):
    """Settings of a copy of it, the champion's name, the challenger's name."""
    settings, before, challenger = made
    shutil.copytree(settings.work_dir, tmp_path / "work")
    return settings.model_copy(update={"work_dir": tmp_path / "work"}), before, challenger


def champion(settings):
    return tracking._client(settings).get_model_version_by_alias(tracking.MODEL, "champion").tags["release"]


def test_a_refused_release_is_kept_and_not_used(refused):
    settings, before, challenger = refused
    assert current(settings.releases) == champion(settings) == before
    decision = read_decision(settings.releases / challenger)
    assert not decision["promoted"]
    assert decision["findings"][-1]["rule"] == "ndcg@20 at least 2"
    version = tracking._client(settings).get_model_version_by_alias(tracking.MODEL, "challenger")
    assert version.tags["release"] == challenger


def test_a_refused_release_is_published_again_in_vain(refused):
    """Not even when the rules were lifted meanwhile: the decision on a release is made once."""
    settings, before, challenger = refused
    load_stage("publish")(DAY, settings.model_copy(update={"gate": type(settings.gate)()}))
    assert current(settings.releases) == before
    assert is_refused(settings.releases / challenger)


def test_no_way_around_the_gate(refused):
    settings, before, challenger = refused
    with pytest.raises(ReleaseError, match=f"refused.*vitrine promote {challenger} --force"):
        use(challenger, settings)
    with pytest.raises(ReleaseError, match="refused"):
        promote(challenger, settings, force=False, reason="I want it")
    with pytest.raises(SettingsError, match="--reason"):
        promote(challenger, settings, force=True, reason=" ")
    assert current(settings.releases) == before


def test_a_release_that_the_gate_was_never_asked_about_is_not_used(refused):
    """A run killed after the folder appeared and before the decision did leaves one; so does a deleted file."""
    settings, _, challenger = refused
    (settings.releases / challenger / "decision.json").unlink()
    with pytest.raises(ReleaseError, match="never asked"):
        use(challenger, settings)
    promote(challenger, settings, force=True, reason="it was in use on the old machine")
    assert current(settings.releases) == challenger


def test_a_decision_changed_by_hand_is_none(refused):
    settings, before, challenger = refused
    path = settings.releases / challenger / "decision.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "promoted": True}))
    with pytest.raises(ReleaseError, match="refused"):
        use(challenger, settings)
    assert current(settings.releases) == before


def test_serving_does_not_follow_a_pointer_that_somebody_moved_by_hand(refused):
    settings, _, challenger = refused
    with pytest.raises(ReleaseError, match=f"refused.*vitrine promote {challenger} --force"):
        _load(settings.releases / challenger)


def test_publishing_an_earlier_day_again_does_not_take_the_shop_back(refused):
    """What was let through once, before a later release came into use."""
    settings, before, _ = refused
    later = settings.releases / "later"
    shutil.copytree(settings.releases / before, later)
    manifest = json.loads((later / "manifest.json").read_text())
    (later / "manifest.json").write_text(json.dumps({**manifest, "release": "later", "day": "2017-12-01"}))
    (settings.releases / "current").write_text('{"release": "later"}')
    load_stage("publish")(DAY, settings)
    assert current(settings.releases) == "later"


def test_a_person_may_overrule_the_gate_and_says_why(refused):
    settings, before, challenger = refused
    promote(challenger, settings, force=True, reason="the week was a holiday")
    assert current(settings.releases) == champion(settings) == challenger
    forced = read_decision(settings.releases / challenger)["forced"]
    assert forced["why"] == "the week was a holiday"
    use(before, settings)
    assert current(settings.releases) == champion(settings) == before


def test_the_champion_of_mlflow_is_what_is_in_use_whoever_moved_the_pointer(refused):
    """Serving that was told to go back knows no MLflow; the next publication does."""
    settings, before, challenger = refused
    client = tracking._client(settings)
    newest = client.get_model_version_by_alias(tracking.MODEL, "challenger")
    assert newest.tags["release"] == challenger
    client.set_registered_model_alias(tracking.MODEL, "champion", newest.version)
    load_stage("publish")(DAY, settings)
    assert current(settings.releases) == champion(settings) == before


def test_an_unknown_release_is_named(refused):
    with pytest.raises(ReleaseError, match="found 20170101-deadbeef"):
        promote("20170101-deadbeef", refused[0], force=True, reason="typo")
    with pytest.raises(ReleaseError, match=r"found 20170101-deadbeef\. See `vitrine releases`"):
        use("20170101-deadbeef", refused[0])


def test_the_release_in_use_is_the_champion_of_another_of_the_same_day(refused):
    settings, before, _ = refused
    report = json.loads((settings.workspace.evaluation(DAY) / "metrics.json").read_text())
    assert report["champion"] == before
    assert "champion" in report["models"]


def test_a_release_that_is_judged_again_has_the_champion_that_it_had(refused):
    settings, before, challenger = refused
    promote(challenger, settings, force=True, reason="the week was a holiday")
    assert champion_of(DAY, settings) == before, "the ranker in use is the day's own"


@pytest.mark.slow
def test_the_champion_is_judged_beside_the_release(refused):
    settings, before, _ = refused
    later = DAY + dt.timedelta(days=1)
    for name in ("extract", "clean", "validate", "features", "train", "recall", "evaluate"):
        load_stage(name)(later, settings)
    report = json.loads((settings.workspace.evaluation(later) / "metrics.json").read_text())
    assert report["champion"] == before
    value, low, high = report["differences"]["champion"]["ndcg@20"]
    assert low <= value <= high
    models = report["models"]
    assert value == pytest.approx(models["release"]["ndcg@20"] - models["champion"]["ndcg@20"], abs=1e-6)
