"""Releases brought back, each file by the SHA-256 of its manifest; the one in use and its pointer first."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from feature_store.errors import FeatureSetMismatchError
from pipeline.atomic import atomic_folder
from pipeline.errors import ObjectStoreError, RecallMismatchError, ReleaseError
from pipeline.recommender.release import CURRENT, DECISION, MANIFEST, Manifest, current, point_to, verify
from pipeline.sources.objectstore.store import holds
from pipeline.sources.objectstore.together import together

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings
    from pipeline.sources.objectstore.store import ObjectStore

log = logging.getLogger(__name__)
KEPT = 3
"""The newest that are brought back beside the one in use: enough to roll back."""


def restore_releases(
    store: ObjectStore, prefix: str, settings: Settings, *, force: bool
) -> tuple[tuple[str, ...], str | None]:
    """Names of the releases brought back, and the one in use; one that is in use here already stays, unless `force`.

    Raises:
        ObjectStoreError: the store cannot be reached, or a copy is not whole.
        ReleaseError, FeatureSetMismatchError: this code cannot use the release that was in use.
    """
    in_use = json.loads(store.get(prefix + CURRENT))["release"]
    parts = (key.removeprefix(prefix).split("/") for key in store.keys(prefix))
    there = sorted(name for name, *rest in parts if rest == [MANIFEST])
    if in_use not in there:
        raise _not_whole(prefix + CURRENT, "the name of a release that is there", in_use)
    brought = []
    for name in dict.fromkeys([in_use, *reversed(there[-KEPT:])]):
        if not _is_whole(settings.releases / name):
            _bring(store, f"{prefix}{name}/", settings.releases / name)
            brought.append(name)
        if name == in_use:  # the others are only for going back
            _point_to(in_use, settings, force=force)
    log.info("releases restored", extra={"releases": brought, "in_use": current(settings.releases)})
    return tuple(brought), current(settings.releases)


def _point_to(name: str, settings: Settings, *, force: bool) -> None:
    here = current(settings.releases)
    if force or here is None or not _is_whole(settings.releases / here):
        point_to(settings.releases, name)


def _is_whole(folder: Path) -> bool:
    """Every file as published; whether this code can use it is another question."""
    try:
        verify(folder)
    except (FeatureSetMismatchError, RecallMismatchError):
        return True
    except ReleaseError:
        return False
    return True


def _bring(store: ObjectStore, prefix: str, target: Path) -> None:
    """A release with the gate's decision, which says whether it may be used."""
    content = store.get(prefix + MANIFEST)
    try:
        files = Manifest.model_validate_json(content).files
        decision = store.get(prefix + DECISION) if holds(store, prefix + DECISION) else None
        if decision is not None:
            bool(json.loads(decision)["promoted"])
    except (ValueError, KeyError, TypeError) as error:
        raise _not_whole(prefix, f"a {MANIFEST} and a {DECISION}", str(error)) from error
    if strange := [name for name in files if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute()]:
        raise _not_whole(prefix + MANIFEST, "files of the release", strange[0])

    def fetch(name: str) -> None:
        data = store.get(prefix + name)
        if (found := hashlib.sha256(data).hexdigest()) != files[name]:
            raise _not_whole(prefix + name, f"SHA-256 {files[name][:12]}…", found[:12])
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).write_bytes(data)

    with atomic_folder(target) as aside:
        together(fetch, files)
        if decision is not None:
            (aside / DECISION).write_bytes(decision)
        (aside / MANIFEST).write_bytes(content)


def _not_whole(key: str, expected: str, found: str) -> ObjectStoreError:
    return ObjectStoreError(
        key, expected=expected, found=found, remedy="Publish the release again, or restore another."
    )
