"""MLflow: one run and one registered version a release; `challenger` is the newest, `champion` the one in use."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.pages.charts import Bar, alone, bar_chart, line_chart
from pipeline.recommender.release import current
from pipeline.revision import git_sha

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from pipeline.recommender.release import Manifest
    from pipeline.settings import Settings

MODEL = "vitrine-ranker"
EXPERIMENT = "vitrine"
DRAWN_FEATURES = 25
log = logging.getLogger(__name__)


def record_release(folder: Path, manifest: Manifest, settings: Settings) -> str:
    """Log parameters, metrics and the ranker of a release and register it as challenger; returns the version.

    The champion is the release in use, whoever moved the pointer to it: `vitrine`, or serving when it was told.
    A release that is already registered is only given the aliases again.

    Raises:
        PipelineError: the tracking server cannot be reached or refuses.
    """
    from mlflow.exceptions import MlflowException

    client = _client(settings)
    try:
        version = _version(client, manifest.release) or _register(client, folder, manifest, settings)
        client.set_registered_model_alias(MODEL, "challenger", version)
        in_use = current(settings.releases)
        champion = _version(client, in_use) if in_use else None
        if champion is not None:
            client.set_registered_model_alias(MODEL, "champion", champion)
    except MlflowException as error:
        raise PipelineError(
            f"MLflow at {settings.mlflow_uri}",
            expected="a run and a registered version",
            found=str(error).splitlines()[0],
            remedy="Check `mlflow_url`, then run `vitrine stage publish` again; the release itself is complete.",
        ) from error
    return version


def _client(settings: Settings) -> MlflowClient:
    # MLflow's own progress and telemetry have no place in a run's output.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=settings.mlflow_uri, registry_uri=settings.mlflow_uri)


def _version(client: MlflowClient, release: str) -> str | None:
    """The registered version of a release."""
    if not _registered(client):
        return None
    known = client.search_model_versions(f"name = '{MODEL}' and tags.release = '{release}'")
    return str(known[0].version) if known else None


def _registered(client: MlflowClient) -> bool:
    return any(model.name == MODEL for model in client.search_registered_models(f"name = '{MODEL}'"))


def _register(client: MlflowClient, folder: Path, manifest: Manifest, settings: Settings) -> str:
    from mlflow.entities import Metric, Param

    experiment = client.get_experiment_by_name(EXPERIMENT)
    artifacts = (settings.work_dir.resolve() / "mlartifacts").as_uri() if settings.mlflow_url is None else None
    experiment_id = (
        experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, artifact_location=artifacts)
    )
    run = client.create_run(
        experiment_id,
        run_name=manifest.release,
        tags={"release": manifest.release, "feature_set": manifest.feature_set, **_commit()},
    )
    stamp = run.info.start_time
    params = {
        **settings.training.chosen(),
        "seed": settings.seed,
        "day": manifest.day,
        **{f"data.{k}": v for k, v in manifest.data.items()},
    }
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name.replace("@", "_at_"), value, stamp, 0) for name, value in manifest.metrics.items()],
        params=[Param(name, str(value)) for name, value in params.items()],
    )
    for name in ("manifest.json", "metrics.json"):
        client.log_artifact(run.info.run_id, str(folder / name), "release")
    client.log_artifacts(run.info.run_id, str(folder / "ranker"), "release/ranker")
    client.log_text(run.info.run_id, _signed(manifest, run.info.run_id), "release/ranker/MLmodel")
    for name, plot in _plots(folder / "ranker").items():
        client.log_text(run.info.run_id, plot, f"plots/{name}.svg")
    client.set_terminated(run.info.run_id)
    if not _registered(client):
        client.create_registered_model(MODEL)
    version = client.create_model_version(
        MODEL,
        source=f"{run.info.artifact_uri}/release/ranker",
        run_id=run.info.run_id,
        tags={"release": manifest.release, "version": version_tag(manifest, git_sha()), **_commit()},
    )
    log.info(
        "release registered",
        extra={"release": manifest.release, "version": version.version, "metrics": json.dumps(manifest.metrics)},
    )
    return str(version.version)


def version_tag(manifest: Manifest, sha: str | None) -> str:
    """The day and the first digits of the commit whose code made it; where no commit is known, the release's name."""
    return f"{manifest.day.replace('-', '')}-{sha[:8]}" if sha else manifest.release


def _commit() -> dict[str, str]:
    sha = git_sha()
    return {"git_sha": sha, "mlflow.source.git.commit": sha} if sha else {}


def _signed(manifest: Manifest, run: str) -> str:
    """MLflow's description of the ONNX file: what goes in and what comes out, so that its tools can load and ask it."""
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    one = np.dtype(np.float32)
    signature = ModelSignature(
        Schema([TensorSpec(one, (-1, len(manifest.features)), "features")]), Schema([TensorSpec(one, (-1, -1))])
    )
    model = Model(run_id=run, signature=signature, metadata={"features": list(manifest.features)})
    model.add_flavor("onnx", data="model.onnx", providers=["CPUExecutionProvider"])
    model.add_flavor("python_function", loader_module="mlflow.onnx", data="model.onnx")
    return str(model.to_yaml())


def _plots(ranker: Path) -> dict[str, str]:
    """What the ranker looks at, and where it was calibrated, how far its scores are probabilities."""
    schema = json.loads((ranker / "schema.json").read_text(encoding="utf-8"))
    shares = list(schema["importance"].items())[:DRAWN_FEATURES]
    bars = [Bar(name, 100 * share) for name, share in shares]
    plots = {"importance": alone(bar_chart(bars, says="Importance of features, per cent"))}
    path = ranker / "calibration.json"
    calibration = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if calibration:
        points = [(each["expected"], each["happened"]) for each in calibration["reliability"]]
        drawn = line_chart({"bought": points}, x="expected probability", y="part that was bought", diagonal=True)
        plots["reliability"] = alone(drawn)
    return plots
