"""A person's word about which release is in use: back to an earlier one, or one that the gate refused."""

from __future__ import annotations

import datetime as dt
import getpass
from typing import TYPE_CHECKING

from pipeline import tracking
from pipeline.day_run import load_stage
from pipeline.errors import SettingsError
from pipeline.evaluation.reporting import write_report
from pipeline.recommender import release as releases
from pipeline.sources.objectstore.copy import copy_release

if TYPE_CHECKING:
    from pipeline.settings import Settings


def use(name: str, settings: Settings) -> None:
    """Point to a release that the gate let through, in the copy and in MLflow too, and tell serving.

    Raises:
        ReleaseError, FeatureSetMismatchError: there is no such release, it does not verify, or the gate refused it;
            nothing changes.
        ReloadError: serving refuses it; it finds the pointer at its next look.
    """
    folder = settings.releases / name
    releases.point_to(settings.releases, name)
    manifest = releases.read_manifest(folder)
    _tell_report(manifest.day, settings)
    tracking.record_release(folder, manifest, settings)
    copy_release(folder, settings)
    load_stage("reload")(dt.date.fromisoformat(manifest.day), settings)


def promote(name: str, settings: Settings, *, force: bool, reason: str) -> None:
    """Put a release into use; one that the gate refused only by force, with a reason that is kept with it.

    Raises:
        ReleaseError: there is no such release, or the gate refused it and nobody forces it; further as `use`.
        SettingsError: forced without a reason.
    """
    folder = settings.releases / name
    decision = releases.read_decision(folder)
    if force and releases.is_refused(folder):
        if not reason.strip():
            raise SettingsError(
                "--reason",
                expected="why the gate is overruled",
                found="nothing",
                remedy="Say it: it is kept with the release.",
            )
        releases.verify(folder)
        forced = {"by": getpass.getuser(), "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "why": reason}
        told = decision or {"champion": None, "findings": []}
        releases.write_decision(folder, {**told, "promoted": True, "forced": forced})
    use(name, settings)


def _tell_report(day: str, settings: Settings) -> None:
    """The report shows the decision: it is written again, where it is still kept."""
    if settings.workspace.evaluation(dt.date.fromisoformat(day)).is_dir():
        write_report(dt.date.fromisoformat(day), settings)
