import pytest
from pydantic import ValidationError

from pipeline.configuration import load_settings
from pipeline.evaluation.choices import Gate, Rule
from pipeline.evaluation.gate import decide
from pipeline.evaluation.judgement import SIZE

FIRST = {"models": {"release": {"ndcg@20": 0.25}}, "champion": None, "differences": {}}


def against(value, low, high):
    return {**FIRST, "champion": "20171101-aaaaaaaa", "differences": {"champion": {"ndcg@20": [value, low, high]}}}


def gate(**rule):
    return Gate(rules=(Rule(metric=rule.pop("metric", "ndcg@20"), **rule),))


@pytest.mark.parametrize(
    ("difference", "promoted"),
    [((0.01, 0.002, 0.02), True), ((-0.001, -0.01, 0.008), True), ((-0.01, -0.02, -0.001), False)],
)
def test_worse_by_chance_is_not_worse(difference, promoted):
    decision = decide(against(*difference), {}, gate(not_worse_than="champion"))
    assert decision.promoted is promoted
    assert decision.champion == "20171101-aaaaaaaa"
    assert bool(decision.reasons) is not promoted


def test_the_first_release_has_nobody_to_beat():
    assert decide(FIRST, {}, gate(not_worse_than="champion")).promoted


def test_a_first_release_that_is_worse_than_a_baseline_is_better_than_none():
    worse = {"best_baseline": {"ndcg@20": [-0.02, -0.03, -0.01]}}
    assert decide({**FIRST, "differences": worse}, {}, gate(not_worse_than="best_baseline")).promoted
    later = {**FIRST, "champion": "20171101-aaaaaaaa", "differences": worse}
    assert not decide(later, {}, gate(not_worse_than="best_baseline")).promoted


def test_a_champion_that_cannot_be_asked_is_said():
    report = {**FIRST, "champion": "20171101-aaaaaaaa"}
    decision = decide(report, {}, gate(not_worse_than="champion"))
    assert decision.promoted
    assert "20171101-aaaaaaaa cannot be asked" in decision.findings[-1].reason


@pytest.mark.parametrize(("lead", "promoted"), [(0.03, True), (0.015, True), (0.005, False)])
def test_a_champion_that_cannot_be_asked_is_compared_by_how_far_it_was_ahead(lead, promoted):
    """0.02 ahead of the baseline then, both known to 0.006: less than 0.0085 behind that may be chance."""
    report = {**FIRST, "champion": "20171101-aaaaaaaa", "differences": ahead(lead)}
    champions = {**FIRST, "differences": ahead(0.02)}
    decision = decide(report, {}, gate(not_worse_than="champion"), champions=champions)
    assert decision.promoted is promoted
    found = decision.findings[-1]
    assert found.value == pytest.approx(lead - 0.02)
    assert f"{lead - 0.02:+.4f} ({lead - 0.02 - 0.0085:+.4f} to {lead - 0.02 + 0.0085:+.4f})" in found.reason


def ahead(lead):
    return {"best_baseline": {"ndcg@20": [lead, lead - 0.006, lead + 0.006]}}


@pytest.mark.parametrize(
    ("rule", "promoted"),
    [({"at_least": 0.25}, True), ({"at_least": 0.26}, False), ({"at_most": 0.25}, True), ({"at_most": 0.24}, False)],
)
def test_bounds_are_included(rule, promoted):
    assert decide(FIRST, {}, gate(**rule)).promoted is promoted


def test_what_was_not_measured_breaks_a_rule_unless_it_says_otherwise():
    assert not decide(FIRST, {}, gate(metric="quality_score", at_least=80)).promoted
    assert decide(FIRST, {}, gate(metric="quality_score", at_least=80, if_measured=True)).promoted
    assert not decide(
        FIRST, {"quality_score": 79.0}, gate(metric="quality_score", at_least=80, if_measured=True)
    ).promoted


def test_a_backfill_of_an_earlier_day_never_takes_over():
    decision = decide(FIRST, {}, Gate(), newer="20171201-bbbbbbbb")
    assert not decision.promoted
    assert decision.reasons == ["not of an earlier day than the champion: 20171201-bbbbbbbb is later"]


@pytest.mark.parametrize("rule", [{}, {"at_least": 1, "at_most": 2}, {"not_worse_than": "yesterday"}, {"atleast": 1}])
def test_a_rule_says_one_thing(rule):
    with pytest.raises(ValidationError):
        Rule(metric="ndcg@20", **rule)


def test_the_shipped_rules_speak_of_metrics_that_there_are():
    known = {f"{name}@{SIZE}" for name in ("ndcg", "recall", "hit", "map", "coverage", "novelty", "diversity")}
    facts = {"milliseconds", "quality_score", "leaks", "skew_share"}
    rules = load_settings().gate.rules
    assert rules
    assert {rule.metric for rule in rules} <= known | facts


def test_a_leak_or_a_skew_refuses_and_so_do_leaks_that_nobody_looked_for():
    rules = Gate(rules=tuple(rule for rule in load_settings().gate.rules if rule.metric in ("leaks", "skew_share")))
    assert decide(FIRST, {}, rules).reasons == ["leaks at most 0: not measured"]
    assert decide(FIRST, {"leaks": 0.0}, rules).promoted  # nothing was served of these features yet
    assert decide(FIRST, {"leaks": 0.0, "skew_share": 0.0}, rules).promoted
    for found in ({"leaks": 1.0, "skew_share": 0.0}, {"leaks": 0.0, "skew_share": 0.001}):
        (reason,) = decide(FIRST, found, rules).reasons
        assert "at most 0" in reason
