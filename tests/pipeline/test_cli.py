"""The command: what a person and a machine see, and exit codes that scripts can trust."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.recommender.release import current, names
from tests.pipeline.conftest import DAY

REPOSITORY = Path(__file__).resolve().parents[2]


def vitrine(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a shell would, with only the given VITRINE_ variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
        cwd=REPOSITORY,
        env={**clean, "COLUMNS": "160", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture
def finished(finished_run, tmp_path):
    """Settings and environment of a finished run of its own."""
    settings = finished_run.copy(tmp_path)
    training = finished_run.overrides["training"]
    variables = {
        "VITRINE_TRAINING__WEEKS": str(training["weeks"]),
        **{f"VITRINE_TRAINING__LIGHTGBM__{key.upper()}": str(value) for key, value in training["lightgbm"].items()},
    }
    return settings, {"VITRINE_WORK_DIR": str(settings.work_dir), **variables}


def test_a_run_ends_with_stages_metrics_an_example_and_the_way_on(finished):
    settings, environment = finished
    done = vitrine("run", "--sync-only", **environment)
    assert done.returncode == 0, done.stderr
    for part in ("Stages", "peak MB", "features", "ndcg@20", "frequency 90d", "implicit ALS", "bought last"):
        assert part in done.stdout
    for part in (
        "recommended",
        "proposed by",
        "personal",
        str(settings.workspace.reports(DAY)),
        "vitrine serve",
        "curl",
    ):
        assert part in done.stdout


def test_for_machines_the_result_is_json_and_so_are_the_logs(finished):
    _, environment = finished
    done = vitrine("stage", "features", "--json", **environment)
    assert json.loads(done.stdout)["stage"] == "features"
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["stage started", "stage finished"]


def test_quiet_says_nothing(finished):
    _, environment = finished
    done = vitrine("stage", "features", "--quiet", **environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_evaluate_prints_the_release_beside_every_baseline(finished):
    _, environment = finished
    done = vitrine("evaluate", "--json", **environment)
    report = json.loads(done.stdout)
    assert list(report["models"]) == [
        "release", "popular 30d", "frequency", "frequency 30d", "frequency 90d", "implicit ALS", "implicit item-kNN",
        "TIFU-KNN", "UP-CF@r",
    ]  # fmt: skip
    assert {"recall@10", "recall@20", "ndcg@10", "ndcg@20", "hit@10"} <= set(report["models"]["release"])
    assert report["judged"] == ["2017-11-06", "2017-11-12"]


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["stage", "bake"], {}, "SettingsError: stage: expected one of demo, extract"),
        (["run", "--day", "yesterday"], {}, "SettingsError: --day: expected a day as YYYY-MM-DD, found 'yesterday'"),
        (["run", "--day", "2017-11-05", "--to", "2017-11-01"], {}, "SettingsError: --to: expected a day not before"),
        (["config"], {"VITRINE_SED": "1"}, "SettingsError: VITRINE_SED"),
        (["features", "item_luck"], {}, "SettingsError: feature: expected a feature"),
        (["rollback", "20170101-deadbeef"], {}, "ReleaseError"),
        (["restore"], {}, "RestoreError: restore: expected a copy"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(tmp_path, arguments, environment, message):
    done = vitrine(*arguments, VITRINE_WORK_DIR=str(tmp_path), **environment)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_for_machines_is_json(tmp_path):
    done = vitrine("stage", "features", "--json", VITRINE_WORK_DIR=str(tmp_path))
    error = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, error["error"]) == (1, "ArchiveError")


@pytest.mark.slow
def test_releases_are_listed_and_rolled_back(finished):
    settings, environment = finished
    first = current(settings.releases)
    assert vitrine("stage", "train", "--quiet", VITRINE_SEED="7", **environment).returncode == 0
    assert vitrine("stage", "publish", "--quiet", VITRINE_SEED="7", **environment).returncode == 0
    second = current(settings.releases)
    assert second != first
    listed = vitrine("releases", **environment).stdout
    assert all(name in listed for name in names(settings.releases))
    assert vitrine("rollback", first, **environment).returncode == 0
    assert current(settings.releases) == first


def test_config_says_value_and_place_and_masks_secrets(tmp_path):
    done = vitrine("config", VITRINE_WORK_DIR=str(tmp_path), VITRINE_DATABASE_URL="mysql+pymysql://shop:sesame@db/shop")
    assert "sesame" not in done.stdout
    row = next(line for line in done.stdout.splitlines() if "database_url" in line)
    assert "***" in row
    assert "environment" in row


def test_a_feature_is_shown_with_its_meaning():
    shown = vitrine("features", "user_item_due").stdout
    assert "due now" in shown
    assert "same_item" in shown
