"""MLflow: one run and one registered version a release; `challenger` is the newest, `champion` the one in use."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pipeline.recommender.release import Manifest
    from pipeline.settings import Settings

MODEL = "vitrine-ranker"
EXPERIMENT = "vitrine"
log = logging.getLogger(__name__)


def record_release(folder: Path, manifest: Manifest, settings: Settings, *, promoted: bool) -> str:
    """Log parameters, metrics and the ranker of a release and register it as challenger; returns the version.

    promoted: it goes into use and is the champion from now on.

    A release that is already registered is only given the aliases again.

    Raises:
        PipelineError: the tracking server cannot be reached or refuses.
    """
    from mlflow.exceptions import MlflowException

    client = _client(settings)
    try:
        known = (
            client.search_model_versions(f"name = '{MODEL}' and tags.release = '{manifest.release}'")
            if _registered(client)
            else []
        )
        version = str(known[0].version) if known else _register(client, folder, manifest, settings)
        client.set_registered_model_alias(MODEL, "challenger", version)
        if promoted:
            client.set_registered_model_alias(MODEL, "champion", version)
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
        tags={"release": manifest.release, "feature_set": manifest.feature_set},
    )
    stamp = run.info.start_time
    params = {
        **settings.training.model_dump(),
        "seed": settings.seed,
        "day": manifest.day,
        **{f"data.{k}": v for k, v in manifest.data.items()},
    }
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name.replace("@", "_at_"), value, stamp, 0) for name, value in manifest.metrics.items()],
        params=[Param(name, str(value)) for name, value in params.items()],
    )
    for name in ("manifest.json", "metrics.json", "ranker/model.txt", "ranker/model.onnx", "ranker/schema.json"):
        client.log_artifact(run.info.run_id, str(folder / name), str(Path("release") / Path(name).parent))
    client.set_terminated(run.info.run_id)
    if not _registered(client):
        client.create_registered_model(MODEL)
    version = client.create_model_version(
        MODEL,
        source=f"{run.info.artifact_uri}/release/ranker",
        run_id=run.info.run_id,
        tags={"release": manifest.release},
    )
    log.info(
        "release registered",
        extra={"release": manifest.release, "version": version.version, "metrics": json.dumps(manifest.metrics)},
    )
    return str(version.version)
