"""What Prometheus and Alertmanager are given: valid, tested, on existing metrics, each alert with a runbook section."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from monitoring import names

REPOSITORY = Path(__file__).resolve().parents[2]
PROMETHEUS = REPOSITORY / "monitoring/prometheus"
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
SECTIONS = dict(
    re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", (REPOSITORY / "docs/runbook.md").read_text(), re.MULTILINE | re.DOTALL)
)
SERIES = {
    metric.name + ending: set(metric.labels) | ({"le"} if ending == "_bucket" else set())
    for metric in (*names.SERVING, *names.PIPELINE, *names.QUALITY)
    for ending in (("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",))
}


def check(*command: str) -> None:
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_prometheus_accepts_its_configuration_and_rules(promtool: str) -> None:
    check(promtool, "check", "config", "monitoring/prometheus/prometheus.yml")


def test_each_alert_is_raised_by_its_trouble_and_by_nothing_else(promtool: str) -> None:
    check(promtool, "test", "rules", "monitoring/prometheus/alerts_test.yml")


def test_alertmanager_accepts_its_configuration(amtool: str) -> None:
    check(amtool, "check-config", "monitoring/alertmanager/alertmanager.yml")


def test_every_alert_has_a_unit_test() -> None:
    cases = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    raised = {test["alertname"] for case in cases for test in case.get("alert_rule_test", []) if test["exp_alerts"]}
    assert raised == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_what_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{alert.lower()}"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_uses_metrics_and_labels_that_exist(alert: str) -> None:
    expression = ALERTS[alert]["expr"]
    used = set(re.findall(r"vitrine_\w+", expression))
    assert used <= set(SERIES)
    for series, selector in re.findall(r"(vitrine_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)(?:=|!)", selector)) <= SERIES[series]


@pytest.mark.parametrize("alert", ALERTS)
def test_the_runbook_says_meaning_place_remedy_and_end_of_an_alert(alert: str) -> None:
    section = SECTIONS[alert]
    for part in ("**Means.**", "**Look.**", "**Do.**", "**Over when.**"):
        assert part in section, f"{alert} lacks {part}"


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    assert {name for name, text in SECTIONS.items() if "**Means.**" in text} == set(ALERTS)


def test_inhibitions_name_alerts_that_exist() -> None:
    rules = yaml.safe_load((REPOSITORY / "monitoring/alertmanager/alertmanager.yml").read_text())["inhibit_rules"]
    for rule in rules:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            pattern = re.fullmatch(r'alertname=~?"(.*)"', matcher)
            assert pattern, matcher
            assert any(re.fullmatch(pattern[1], alert) for alert in ALERTS), matcher
