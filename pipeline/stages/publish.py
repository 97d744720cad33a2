"""An immutable release from the day's ranker, indexes and items; then one pointer moves."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from feature_store.history import empty_history
from feature_store.registry import feature_set_id, ranker_features
from feature_store.snapshot import read_snapshot
from pipeline import tracking
from pipeline.atomic import atomic_folder
from pipeline.errors import PipelineError
from pipeline.recommender import release as releases
from pipeline.recommender.recall.source import Asker
from pipeline.sources.objectstore_copy import copy_archive, copy_release
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from pipeline.settings import Settings

POPULAR_ITEMS = 200
GOLDEN_REQUESTS = 20


@stage
def publish(day: dt.date, settings: Settings) -> StageResult:
    """Write `releases/<day>-<digest>/`, record it in MLflow, move `releases/current` to it.

    The name is a digest of the content: publishing the same content again changes nothing.

    Raises:
        PipelineError: the partition of an earlier stage is missing (names it).
        ReleaseError: the folder does not verify after writing; the pointer stays.
        ObjectStoreError: the copy in the object store failed; the release is in use here, and a repeat copies it again.
    """
    workspace = settings.workspace
    parts = {name: getattr(workspace, name)(day) for name in ("train", "recall", "evaluation")}
    for name, part in parts.items():
        if not part.is_dir():
            raise PipelineError(
                "stage publish",
                expected=f"a partition {part}",
                found="none",
                remedy=f"Run `vitrine stage {name.replace('evaluation', 'evaluate')} --day {day}`.",
            )
    staging = settings.staging(day)
    with atomic_folder(staging) as aside:
        _fill(aside, parts, day, settings)
        manifest = releases.read_manifest(aside)
    name = manifest.release
    target = settings.releases / name
    if target.exists():
        releases.verify(target)
        shutil.rmtree(staging)
    else:
        staging.rename(target)
    tracking.record_release(target, manifest, settings)
    releases.point_to(settings.releases, name)
    copy_release(target, settings)
    copy_archive(settings)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return StageResult((target,), len(manifest.files), {"bytes": float(size)})


def _fill(folder: Path, parts: dict[str, Path], day: dt.date, settings: Settings) -> None:
    snapshot = read_snapshot(settings.workspace.features(day))
    shutil.copytree(parts["train"], folder / "ranker")
    shutil.copytree(parts["recall"], folder / "recall")
    releases.save_items(folder / "items", snapshot.item_side)
    everybody = releases.load_recall(folder / "recall")["popular"]
    popular = everybody.candidates(Asker(empty_history(), snapshot.as_of), POPULAR_ITEMS)
    releases.save_arrays(folder / "popular", {"items": popular.items, "scores": popular.scores})
    shutil.copy(parts["evaluation"] / "metrics.json", folder / "metrics.json")
    golden = [
        json.dumps({"user_id": str(user), "asked_at": snapshot.as_of}) for user in snapshot.users[:GOLDEN_REQUESTS]
    ]
    (folder / "golden_requests.jsonl").write_text("\n".join(golden) + "\n", encoding="utf-8")
    files = {str(p.relative_to(folder)): releases.sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    evaluation = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    content = {
        "day": str(day),
        "as_of": snapshot.as_of,
        "feature_set": feature_set_id(),
        "features": list(ranker_features()),
        "scenes": {name: scene.model_dump(mode="json") for name, scene in settings.scenes.items()},
        "metrics": evaluation["models"]["release"],
        "data": {"clean": evaluation["data"]},
        "files": files,
    }
    manifest = {"release": releases.release_name(content), **content}
    (folder / releases.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
