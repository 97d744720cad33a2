"""An immutable release from the day's ranker, indexes and items; when the gate lets it through, one pointer moves."""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
from typing import TYPE_CHECKING, Any

from feature_store.history import empty_history
from feature_store.history_files import read_history
from feature_store.snapshot import read_snapshot
from pipeline import tracking
from pipeline.atomic import atomic_folder
from pipeline.audits.results import kept, kept_facts
from pipeline.erasure.releases import remove_due
from pipeline.errors import PipelineError
from pipeline.evaluation.gate import decide
from pipeline.evaluation.latency import milliseconds
from pipeline.evaluation.reporting import write_report
from pipeline.recommender import release as releases
from pipeline.recommender.golden import GOLDEN, golden_requests
from pipeline.recommender.recall.source import Asker
from pipeline.recommender.training import NOTEBOOK
from pipeline.sources.objectstore.copy import copy_archive, copy_release
from pipeline.stage import StageResult, stage

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

log = logging.getLogger(__name__)
POPULAR_ITEMS = 200


@stage
def publish(day: dt.date, settings: Settings) -> StageResult:
    """Write `releases/<day>-<digest>/` with the gate's decision, record it in MLflow, move `releases/current` to it.

    The name is a digest of the content: publishing the same content again changes nothing. A release that the gate
    refuses is kept as a challenger, and the one in use stays.
    Afterwards releases go that hold somebody's row who was forgotten long enough ago.

    Raises:
        PipelineError: the partition of an earlier stage is missing (names it), or these features were never audited.
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
    if kept("leaks", settings) is None:
        raise PipelineError(
            "stage publish",
            expected="an audit of these very features",
            found="none" if not settings.workspace.audits.is_dir() else "one of others, or none",
            remedy=f"Run `vitrine stage audit --day {day}`.",
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
    decision = _decision(target, day, settings)
    # A release that was let through once and is published again must not take the shop back either.
    if promoted := bool(decision["promoted"]) and not _is_earlier(day, settings):
        releases.point_to(settings.releases, name)
    write_report(day, settings)  # now with the decision
    tracking.record_release(target, manifest, settings)
    copy_release(target, settings, in_use=promoted)
    copy_archive(settings)
    remove_due(settings, dt.datetime.now(dt.UTC).date())
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    counts = {"promoted": float(promoted), "bytes": float(size)}
    return StageResult((target,), len(manifest.files), counts, decision=decision)


def _decision(folder: Path, day: dt.date, settings: Settings) -> dict[str, Any]:
    """What the gate says of the release; asked once, and kept beside it."""
    found = releases.read_decision(folder)
    if found is None:
        report = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        decision = decide(
            report,
            _facts(folder, day, settings),
            settings.gate,
            newer=_newer(report, day, settings),
            champions=_champions(report, settings),
        )
        found = decision.as_json()
        releases.write_decision(folder, found)
        if not decision.promoted:
            log.warning("release refused, the champion stays", extra={"release": folder.name, "why": decision.reasons})
    return found


def _facts(folder: Path, day: dt.date, settings: Settings) -> dict[str, float]:
    """What the gate wants to know beside the metrics."""
    features, quality = settings.workspace.features(day), settings.workspace.reports(day) / "quality.json"
    snapshot = read_snapshot(features)
    taken = milliseconds(releases.load_release(folder), snapshot, read_history(features))
    judged = json.loads(quality.read_text(encoding="utf-8")) if quality.is_file() else {}
    return {"milliseconds": taken, **({"quality_score": judged["score"]} if judged else {}), **kept_facts(settings)}


def _is_earlier(day: dt.date, settings: Settings) -> bool:
    """Whether the release in use is of a later day."""
    name = releases.current(settings.releases)
    return name is not None and releases.read_manifest(settings.releases / name).day > str(day)


def _newer(report: dict[str, Any], day: dt.date, settings: Settings) -> str | None:
    """The champion, when it is of a later day: a backfill must not take the shop back."""
    name = report["champion"]
    is_newer = name is not None and releases.read_manifest(settings.releases / name).day > str(day)
    return name if is_newer else None


def _champions(report: dict[str, Any], settings: Settings) -> dict[str, Any] | None:
    """What the champion's own evaluation said."""
    if report["champion"] is None:
        return None
    told = settings.releases / report["champion"] / "metrics.json"
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return found


def _fill(folder: Path, parts: dict[str, Path], day: dt.date, settings: Settings) -> None:
    snapshot = read_snapshot(settings.workspace.features(day))
    shutil.copytree(parts["train"], folder / "ranker", ignore=shutil.ignore_patterns(NOTEBOOK))
    shutil.copytree(parts["recall"], folder / "recall")
    releases.save_items(folder / "items", snapshot.item_side)
    everybody = releases.load_recall(folder / "recall")["popular"]
    popular = everybody.candidates(Asker(empty_history(), snapshot.as_of), POPULAR_ITEMS)
    releases.save_arrays(folder / "popular", {"items": popular.items, "scores": popular.scores})
    shutil.copy(parts["evaluation"] / "metrics.json", folder / "metrics.json")
    golden = golden_requests(snapshot.item_side.catalog, popular, snapshot.as_of)
    (folder / GOLDEN).write_text(golden, encoding="utf-8")
    files = {str(p.relative_to(folder)): releases.sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    evaluation = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    schema = json.loads((folder / "ranker" / "schema.json").read_text(encoding="utf-8"))
    content = {
        "format": releases.FORMAT,
        "day": str(day),
        "as_of": snapshot.as_of,
        "timezone": settings.timezone,
        # What made the model, not what runs now: `verify` holds the one against the other.
        "feature_set": schema["feature_set"],
        "recall_code": schema["recall_code"],
        "gated": True,
        "features": schema["features"],
        "scenes": {name: scene.model_dump(mode="json") for name, scene in settings.scenes.items()},
        "metrics": evaluation["models"]["release"],
        "data": {"clean": evaluation["data"]},
        "files": files,
    }
    manifest = {"release": releases.release_name(content), **content}
    (folder / releases.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
