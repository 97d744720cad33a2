"""A release on disk and in memory: immutable, complete, checked byte by byte before it is used.

Nothing in it is a pickle: JSON, ONNX and LightGBM text, and `.npy` arrays that workers map into memory together.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from feature_store.catalog import Catalog
from feature_store.errors import FeatureSetMismatchError
from feature_store.matrix import ItemSide
from feature_store.registry import feature_set_id
from feature_store.rhythm import Rhythm
from feature_store.schema import LEVELS
from pipeline.atomic import sweep, write_text
from pipeline.errors import RecallMismatchError, ReleaseError
from pipeline.locks import held
from pipeline.recommender.probability import ScoreTable, read_score_table
from pipeline.recommender.ranker.served import served
from pipeline.recommender.recall import SOURCES, recall_code
from pipeline.recommender.recall.source import Candidates, RecallSource
from pipeline.settings import Scene  # noqa: TC001 - pydantic reads it when the class is made

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.recommender.ranker.model import Ranker

FORMAT = 2
"""1: golden requests name users. 2: they are made up and bring what is known of the asker; items say whether they
are available."""
MANIFEST = "manifest.json"
CURRENT = "current"
CALIBRATED = "home"
"""The scene whose scores training calibrates."""
DECISION = "decision.json"
"""What the gate said, beside the content of the release and no part of it."""
_DIGEST_NAME = re.compile(r"\d{8}-[0-9a-f]{8}")
_REMEDY = "Roll back with `vitrine rollback`, or publish the day again."


class Manifest(BaseModel):
    """What a release says of itself. `files`: path -> SHA-256; `as_of`: end of the day, seconds since 1970 UTC.

    format: how the files are to be read; the first releases do not say, and this code reads all up to `FORMAT`
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    release: str
    day: str
    as_of: int
    timezone: str = "UTC"
    """Of the shop's clock."""
    feature_set: str
    recall_code: str | None = None
    """The code that made indexes and scores; the first releases do not say."""
    gated: bool = False
    """Whether it may not be used before the gate has let it through; the first releases had no gate."""
    features: tuple[str, ...]
    scenes: dict[str, Scene]
    metrics: dict[str, float]
    data: dict[str, str]
    """What it was made from: checksums of the inputs."""
    files: dict[str, str]


@dataclass(frozen=True)
class Release:
    """A release ready to answer. `popular`: the list for everybody, used when nothing personal can be computed;
    `calibration`: of the scores of the scene `home`, None where training made none.
    """

    manifest: Manifest
    item_side: ItemSide
    recall: Mapping[str, RecallSource]
    ranker: Ranker
    popular: Candidates
    calibration: ScoreTable | None = None

    @property
    def name(self) -> str:
        return self.manifest.release

    @property
    def scenes(self) -> Mapping[str, Scene]:
        return self.manifest.scenes

    def probabilities(self, scene: Scene, scores: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """(n,) scores of `scene` as probabilities of a purchase; None without calibration, or where the scene weighs
        targets otherwise than the one whose scores were calibrated.
        """
        home = self.scenes.get(CALIBRATED)
        if self.calibration is None or home is None or scene.worth != home.worth:
            return None
        return self.calibration.probability(scores)


def sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release folder.

    Raises:
        ReleaseError: missing or malformed.
    """
    if not folder.is_dir():
        raise ReleaseError(
            str(folder.parent),
            expected="one of the releases there",
            found=folder.name,
            remedy="See `vitrine releases`.",
        )
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReleaseError(
            str(folder), expected="a release with a manifest", found=str(error), remedy=_REMEDY
        ) from error


def release_name(content: Mapping[str, Any]) -> str:
    """The name of the release whose manifest says `content` besides its name: the day, and a digest of all of it."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{content['day'].replace('-', '')}-{digest[:8]}"


def verify(folder: Path) -> Manifest:
    """The manifest, once every file is there with the bytes that were published, the manifest itself among them.

    Raises:
        ReleaseError: a file is missing or changed, or a newer code made it.
        FeatureSetMismatchError: made by another feature set than this code defines.
        RecallMismatchError: its recall scores were made by other code.
    """
    manifest = read_manifest(folder)
    _verify_name(folder)
    if manifest.format > FORMAT:
        raise ReleaseError(
            str(folder),
            expected=f"a release of format {FORMAT} or before",
            found=f"format {manifest.format}",
            remedy="Deploy the code that made it, or roll back with `vitrine rollback`.",
        )
    for name, digest in manifest.files.items():
        found = sha256(folder / name) if (folder / name).is_file() else "no file"
        if found != digest:
            raise ReleaseError(str(folder / name), expected=f"SHA-256 {digest[:12]}…", found=found[:12], remedy=_REMEDY)
    if manifest.feature_set != feature_set_id():
        raise FeatureSetMismatchError(
            f"release {manifest.release}", made_by=manifest.feature_set, this_code=feature_set_id()
        )
    if manifest.recall_code is not None and manifest.recall_code != recall_code():
        raise RecallMismatchError(f"release {manifest.release}", made_by=manifest.recall_code, this_code=recall_code())
    return manifest


def _verify_name(folder: Path) -> None:
    """That the manifest names its folder; a name with a digest must be that of the content."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    name = content.pop("release")
    told = release_name(content) if _DIGEST_NAME.fullmatch(folder.name) else name
    if {name, told} != {folder.name}:
        raise ReleaseError(
            str(folder / MANIFEST), expected=f"the manifest of {folder.name}", found=f"that of {told}", remedy=_REMEDY
        )


def load_release(folder: Path) -> Release:
    """A verified release, its arrays mapped read-only into memory.

    Raises:
        ReleaseError, FeatureSetMismatchError: as `verify`.
    """
    manifest = verify(folder)
    recall = load_recall(folder / "recall")
    popular = _read_arrays(folder / "popular")
    return Release(
        manifest,
        load_items(folder / "items"),
        recall,
        served(folder / "ranker"),
        Candidates(popular["items"], popular["scores"]),
        read_score_table(folder / "ranker" / "schema.json"),
    )


def load_recall(folder: Path) -> dict[str, RecallSource]:
    """The fitted sources below `folder`, one sub-folder each.

    Raises:
        ReleaseError: a source is unknown to this code or its index lacks an array.
    """
    return {sub.name: _load_source(sub) for sub in sorted(folder.iterdir()) if sub.is_dir()}


def _load_source(folder: Path) -> RecallSource:
    try:
        return SOURCES[folder.name].from_arrays(_read_arrays(folder))
    except KeyError as error:
        raise ReleaseError(
            str(folder),
            expected="a recall index of this code",
            found=f"no {error}",
            remedy="Fit it again: `vitrine stage recall`, then `publish`.",
        ) from error


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """One `.npy` file a name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)


def _read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))}


def save_items(folder: Path, side: ItemSide) -> None:
    """The catalog, the item and category vectors, what the items' texts say, and when the shop sells."""
    catalog = side.catalog
    save_arrays(folder, {"keys": catalog.keys, "ids": catalog.ids, "titles": catalog.titles, "matrix": side.items})
    save_arrays(folder, {"categories": side.categories, "available": catalog.available})
    save_arrays(folder, {"brands": side.brands, "text": side.text})
    save_arrays(folder, {"weekday_shares": side.rhythm.weekdays, "hour_shares": side.rhythm.hours})
    for level in LEVELS:
        save_arrays(folder, {f"{level}_group": catalog.groups[level], f"{level}_names": catalog.names[level]})


def load_items(folder: Path) -> ItemSide:
    """The item side; in releases of format 1 every item is available."""
    arrays = _read_arrays(folder)
    catalog = Catalog(
        arrays["keys"],
        arrays["ids"],
        arrays["titles"],
        {level: arrays[f"{level}_group"] for level in LEVELS},
        {level: arrays[f"{level}_names"] for level in LEVELS},
        arrays.get("available", np.ones(len(arrays["keys"]), bool)),
    )
    rhythm = Rhythm(arrays["weekday_shares"], arrays["hour_shares"])
    return ItemSide(catalog, arrays["matrix"], arrays["categories"], arrays["brands"], arrays["text"], rhythm)


def current(releases: Path) -> str | None:
    """The name of the release in use, None before the first."""
    pointer = releases / CURRENT
    return json.loads(pointer.read_text(encoding="utf-8"))["release"] if pointer.exists() else None


def read_decision(folder: Path) -> dict[str, Any] | None:
    """What the gate said of a release; none: it was never asked."""
    path = folder / DECISION
    content: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return content


def write_decision(folder: Path, decision: Mapping[str, Any]) -> None:
    write_text(folder / DECISION, json.dumps(decision, indent=1) + "\n")


def point_to(releases: Path, release: str) -> None:
    """Make `release` the one in use; rolling back is the same move.

    Raises:
        ReleaseError, FeatureSetMismatchError: as `verify`, or the gate refused it; the pointer stays.
    """
    verify(releases / release)
    require_let_through(releases / release)
    with held(releases / ".pointer.lock", "the pointer"):  # of whatever day, and from serving too
        sweep(releases, CURRENT)
        write_text(releases / CURRENT, json.dumps({"release": release}) + "\n")


def require_let_through(folder: Path) -> None:
    """Raise ReleaseError when the gate did not let the release through."""
    if is_refused(folder):
        raise ReleaseError(
            f"release {folder.name}",
            expected="one that the gate let through",
            found=f"one that it refused, or was never asked about; {DECISION} in its folder says why",
            remedy=f"Keep the release in use, or say why not: `vitrine promote {folder.name} --force --reason …`.",
        )


def is_refused(folder: Path) -> bool:
    """Whether the gate did not let the release through: it refused it, or was never asked.

    A decision changed by hand is none: what is promoted has broken no rule, or somebody forced it and said why.
    """
    decision = read_decision(folder)
    if decision is None:
        return read_manifest(folder).gated
    clean = all(finding["holds"] for finding in decision.get("findings", ()))
    return not (decision["promoted"] and (clean or decision.get("forced", {}).get("why")))


def names(releases: Path) -> list[str]:
    """Every complete release, oldest day first."""
    return sorted(path.parent.name for path in releases.glob(f"[!.]*/{MANIFEST}"))
