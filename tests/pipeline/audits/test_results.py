import datetime as dt
import json

from pipeline.audits.results import keep_result, kept_facts

DAY = dt.date(2017, 11, 5)


def test_the_last_result_of_each_audit_is_told(settings):
    assert kept_facts(settings()) == {}
    keep_result("leaks", DAY, {"leaks": 2.0}, settings())
    keep_result("leaks", DAY, {"leaks": 0.0}, settings())
    keep_result("skew", DAY, {"skew_share": 0.5}, settings())
    assert kept_facts(settings()) == {"leaks": 0.0, "skew_share": 0.5}


def test_what_was_found_of_other_features_says_nothing_of_these(settings):
    keep_result("leaks", DAY, {"leaks": 0.0}, settings())
    path = settings().workspace.audits / "leaks.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "feature_set": "other"}))
    assert kept_facts(settings()) == {}
