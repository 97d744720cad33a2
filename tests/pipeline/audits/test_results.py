import datetime as dt
import json

import pytest

from pipeline.audits.results import keep_result, kept, kept_facts

DAY = dt.date(2017, 11, 5)


def test_the_last_result_of_each_audit_is_told(settings):
    assert kept_facts(settings()) == {}
    keep_result("leaks", DAY, {"leaks": 2.0}, settings())
    keep_result("leaks", DAY, {"leaks": 0.0}, settings())
    keep_result("skew", DAY, {"skew_share": 0.5}, settings())
    assert kept_facts(settings()) == {"leaks": 0.0, "skew_share": 0.5}


@pytest.mark.parametrize("part", ["feature_set", "recall_code", "recall_sources"])
def test_what_was_found_of_other_features_says_nothing_of_these(settings, part):
    keep_result("leaks", DAY, {"leaks": 0.0}, settings())
    path = settings().workspace.audits / "leaks.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: "other"}))
    assert kept_facts(settings()) == {}
    assert kept("leaks", settings()) is None


def test_to_have_asked_in_vain_is_not_to_have_never_asked(settings):
    assert kept("leaks", settings()) is None
    keep_result("leaks", DAY, {}, settings())
    assert kept("leaks", settings()) == {}
    assert kept_facts(settings()) == {}
