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
from feature_store.schema import LEVELS
from pipeline.atomic import sweep, write_text
from pipeline.errors import ReleaseError
from pipeline.locks import held
from pipeline.recommender.ranker.onnx import OnnxRanker
from pipeline.recommender.recall import SOURCES
from pipeline.recommender.recall.source import Candidates, RecallSource
from pipeline.settings import Scene  # noqa: TC001 - pydantic reads it when the class is made

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.recommender.ranker.model import Ranker

MANIFEST = "manifest.json"
CURRENT = "current"
_DIGEST_NAME = re.compile(r"\d{8}-[0-9a-f]{8}")
_REMEDY = "Roll back with `vitrine rollback`, or publish the day again."


class Manifest(BaseModel):
    """What a release says of itself. `files`: path -> SHA-256; `as_of`: end of the day, seconds since 1970 UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    release: str
    day: str
    as_of: int
    feature_set: str
    features: tuple[str, ...]
    scenes: dict[str, Scene]
    metrics: dict[str, float]
    data: dict[str, str]
    """What it was made from: checksums of the inputs."""
    files: dict[str, str]


@dataclass(frozen=True)
class Release:
    """A release ready to answer. `popular`: the list for everybody, used when nothing personal can be computed."""

    manifest: Manifest
    item_side: ItemSide
    recall: Mapping[str, RecallSource]
    ranker: Ranker
    popular: Candidates

    @property
    def name(self) -> str:
        return self.manifest.release

    @property
    def scenes(self) -> Mapping[str, Scene]:
        return self.manifest.scenes


def sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release folder.

    Raises:
        ReleaseError: missing or malformed.
    """
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
        ReleaseError: a file is missing or changed.
        FeatureSetMismatchError: made by another feature set than this code defines.
    """
    manifest = read_manifest(folder)
    _verify_name(folder)
    for name, digest in manifest.files.items():
        found = sha256(folder / name) if (folder / name).is_file() else "no file"
        if found != digest:
            raise ReleaseError(str(folder / name), expected=f"SHA-256 {digest[:12]}…", found=found[:12], remedy=_REMEDY)
    if manifest.feature_set != feature_set_id():
        raise FeatureSetMismatchError(
            f"release {manifest.release}", made_by=manifest.feature_set, this_code=feature_set_id()
        )
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
        OnnxRanker(folder / "ranker" / "model.onnx"),
        Candidates(popular["items"], popular["scores"]),
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
    """The catalog and the item and category vectors."""
    catalog = side.catalog
    save_arrays(folder, {"keys": catalog.keys, "ids": catalog.ids, "titles": catalog.titles, "matrix": side.items})
    save_arrays(folder, {"categories": side.categories})
    for level in LEVELS:
        save_arrays(folder, {f"{level}_group": catalog.groups[level], f"{level}_names": catalog.names[level]})


def load_items(folder: Path) -> ItemSide:
    arrays = _read_arrays(folder)
    catalog = Catalog(
        arrays["keys"],
        arrays["ids"],
        arrays["titles"],
        {level: arrays[f"{level}_group"] for level in LEVELS},
        {level: arrays[f"{level}_names"] for level in LEVELS},
    )
    return ItemSide(catalog, arrays["matrix"], arrays["categories"])


def current(releases: Path) -> str | None:
    """The name of the release in use, None before the first."""
    pointer = releases / CURRENT
    return json.loads(pointer.read_text(encoding="utf-8"))["release"] if pointer.exists() else None


def point_to(releases: Path, release: str) -> None:
    """Make `release` the one in use; rolling back is the same move.

    Raises:
        ReleaseError, FeatureSetMismatchError: as `verify`; the pointer stays.
    """
    verify(releases / release)
    with held(releases / ".pointer.lock", "the pointer"):  # of whatever day, and from serving too
        sweep(releases, CURRENT)
        write_text(releases / CURRENT, json.dumps({"release": release}) + "\n")


def names(releases: Path) -> list[str]:
    """Every complete release, oldest day first."""
    return sorted(path.parent.name for path in releases.glob(f"[!.]*/{MANIFEST}"))
