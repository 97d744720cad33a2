"""The dashboard is one Grafana can load, on the provisioned data source and on metrics that exist."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from monitoring import names

GRAFANA = Path(__file__).resolve().parents[2] / "monitoring/grafana"
DASHBOARDS = sorted(GRAFANA.glob("dashboards/*.json"))
METRICS = {metric.name: metric for metric in (*names.SERVING, *names.PIPELINE, *names.QUALITY)}


def panels(dashboard: Path) -> list[dict]:
    return json.loads(dashboard.read_text())["panels"]


def queries(dashboard: Path) -> list[str]:
    return [target["expr"] for panel in panels(dashboard) for target in panel.get("targets", [])]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
class TestDashboard:
    def test_panels_have_ids_titles_and_meanings_of_their_own(self, dashboard: Path) -> None:
        found = panels(dashboard)
        for field in ("id", "title"):
            values = [panel[field] for panel in found]
            assert len(values) == len(set(values))
        assert all(panel["description"] for panel in found if panel["type"] != "row")

    def test_panels_do_not_overlap_and_fit_the_page(self, dashboard: Path) -> None:
        places = [panel["gridPos"] for panel in panels(dashboard)]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        for a, b in itertools.combinations(places, 2):
            beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
            above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
            assert beside or above, (a, b)

    def test_every_panel_asks_the_provisioned_data_source_something(self, dashboard: Path) -> None:
        provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
        uids = {source["uid"] for source in provisioned["datasources"]}
        for panel in panels(dashboard):
            if panel["type"] != "row":
                assert panel["targets"], panel["title"]
                assert {target["datasource"]["uid"] for target in panel["targets"]} <= uids
                assert all(target["expr"].strip() for target in panel["targets"])
                assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])

    def test_metrics_and_their_labels_exist(self, dashboard: Path) -> None:
        for query in queries(dashboard):
            for series, selector in re.findall(r"(vitrine_\w+)(?:\{([^}]*)\})?", query):
                metric = METRICS.get(series) or METRICS[re.sub(r"_(bucket|count|sum)$", "", series)]
                grouped = {label for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(", ")}
                selected = set(re.findall(r"(\w+)(?:=|!)", selector))
                assert selected | grouped <= {*metric.labels, *(["le"] if metric.kind == "histogram" else [])}, query

    def test_every_metric_is_shown(self, dashboard: Path) -> None:
        shown = " ".join(queries(dashboard))
        assert [name for name in METRICS if name not in shown] == []


def test_the_provider_reads_the_folder_that_compose_mounts() -> None:
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/vitrine.yml").read_text())["providers"][0]
    compose = (GRAFANA.parents[1] / "docker-compose.yml").read_text()
    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}" in compose


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_prometheus_can_parse_every_query(dashboard: Path, promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": re.sub(r"\$__rate_interval", "5m", query)}
        for number, query in enumerate(queries(dashboard))
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    found = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
