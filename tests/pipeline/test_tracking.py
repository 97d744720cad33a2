"""What MLflow keeps of a release: enough to know what made it, to see what it learned, and to load it."""

from __future__ import annotations

import ast
import json

import pytest
import yaml

from feature_store.registry import feature_set_id
from pipeline import tracking
from pipeline.quality.provenance import training_set
from pipeline.recommender.release import current, read_manifest
from pipeline.revision import git_sha


@pytest.fixture(scope="module")
def registered(finished_run, tmp_path_factory):
    """The settings of a finished run, its manifest, and what MLflow says of version and run."""
    settings = finished_run.copy(tmp_path_factory.mktemp("tracked"))
    client = tracking._client(settings)
    version = client.get_model_version_by_alias(tracking.MODEL, "champion")
    manifest = read_manifest(settings.releases / current(settings.releases))
    return settings, manifest, version, client.get_run(version.run_id)


def artifacts(finished_run, run) -> dict[str, bytes]:
    """Path -> content; the run's folder is where it was made."""
    folder = next((finished_run.folder / "work" / "mlartifacts").glob(f"**/{run.info.run_id}/artifacts"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_says_what_made_the_model(registered) -> None:
    settings, manifest, version, run = registered
    params, tags = run.data.params, run.data.tags
    trees = ast.literal_eval(params["lightgbm"])
    assert (params["ranker"], trees["objective"], trees["trees"]) == ("blend", "lambdarank", 10)
    assert set(ast.literal_eval(params["parts"])) == {"lightgbm", "network"}
    assert "depth" not in params
    assert params["data.clean"] == manifest.data["clean"]
    assert params["seed"] == str(settings.seed)
    assert tags["feature_set"] == feature_set_id()
    assert tags.get("git_sha") == version.tags.get("git_sha") == git_sha()
    assert run.data.metrics["ndcg_at_20"] == pytest.approx(manifest.metrics["ndcg@20"])


def test_the_run_names_every_partition_that_the_model_was_trained_on(registered, finished_run) -> None:
    settings, manifest, _, run = registered
    told = json.loads(artifacts(finished_run, run)["release/ranker/data.json"])
    assert run.data.params["data.clean"] == told["checksum"]
    assert {each["table"] for each in told["partitions"]} >= {"events", "items", "users"}
    assert max(each["day"] for each in told["partitions"]) == told["through"] == manifest.day
    found = training_set(settings.workspace.clean, settings.day).as_json()
    assert told == {**found, "partitions": list(found["partitions"])}


def test_the_version_is_the_day_and_the_commit(registered) -> None:
    _, manifest, version, _ = registered
    assert version.tags["version"] == tracking.version_tag(manifest, git_sha())
    assert tracking.version_tag(manifest, "0123456789abcdef") == "20171105-01234567"
    assert tracking.version_tag(manifest, None) == manifest.release


def test_newest_and_used_have_their_aliases(registered) -> None:
    settings, _, version, _ = registered
    challenger = tracking._client(settings).get_model_version_by_alias(tracking.MODEL, "challenger")
    assert challenger.version == version.version


def test_artifacts_hold_the_model_its_signature_and_plots(registered, finished_run) -> None:
    found = artifacts(finished_run, registered[3])
    assert {"plots/importance.svg", "plots/reliability.svg", "release/manifest.json"} <= set(found)
    assert not [name for name in found if name.endswith(".pkl")]
    described = yaml.safe_load(found["release/ranker/MLmodel"])
    (features,) = json.loads(described["signature"]["inputs"])
    assert features["tensor-spec"] == {"dtype": "float32", "shape": [-1, len(registered[1].features)]}
    assert described["flavors"]["onnx"]["data"] in {name.rsplit("/", 1)[-1] for name in found}


def test_no_release_holds_a_pickle_and_the_train_folder_does(registered) -> None:
    settings, manifest, _, _ = registered
    made = settings.workspace.train(settings.day)
    assert (made / "notebook" / "rank_model.pkl").is_file()
    assert {"ranker/explanation.json", "ranker/calibration.json", "ranker/schema.json"} <= set(manifest.files)
    assert not list((settings.releases / manifest.release).rglob("*.pkl"))
