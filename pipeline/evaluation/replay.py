"""What a release would have shown to whom serving showed something else: logged requests asked again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_store.errors import ArchiveError
from feature_store.online.recent import RECENT, stranger, with_recent
from pipeline.exposures import first_rows
from pipeline.online_records import records_of
from pipeline.progress import track
from pipeline.recommender.recommend import Request, recommend

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from feature_store.online.store import UserRecord
    from pipeline.recommender.release import Release
    from pipeline.settings import Settings


@dataclass
class Replay:
    """lists: id of a request -> item ids that the release would have shown, best first; aside: why -> requests that it
    cannot be asked.
    """

    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aside: Counter[str] = field(default_factory=Counter)


def replay(sizes: Mapping[str, int], release: Release, first: dt.date, last: dt.date, settings: Settings) -> Replay:
    """Ask `release` for the lists of requests logged on the days `first` to `last`, both included.

    sizes: id of a request -> length of its list. Each is asked with what serving knew: the online version's record,
    what the user did since, the same moment, device and excluded items; and without exploration.
    """
    found, asked = Replay(), []
    rows = [row for row in first_rows(first, last, settings) if row["request_id"] in sizes]
    answers = Counter(row["request_id"] for row in rows)
    for row in rows:
        why = "their id was given to others too" if answers[row["request_id"]] > 1 else _unfit(row, release)
        if why:
            found.aside[why] += 1
        else:
            asked.append(row)
    for version, same in groupby(sorted(asked, key=_version), key=_version):
        _ask(list(same), version, sizes, release, settings, found)
    return found


def _version(row: Mapping[str, Any]) -> str:
    return str(row["online_version"])


def _unfit(row: Mapping[str, Any], release: Release) -> str:
    """Why a request cannot be asked of the release; empty where it can."""
    if row["scene"] not in release.scenes:
        return f"{release.name} has no scene {row['scene']}"
    if row["asked_at"] < release.manifest.as_of:
        return f"asked before the end of {release.manifest.day}, which {release.name} knows"
    return ""


def _ask(
    rows: list[dict[str, Any]],
    version: str,
    sizes: Mapping[str, int],
    release: Release,
    settings: Settings,
    found: Replay,
) -> None:
    try:
        records = records_of([row["user_id"] for row in rows], version, settings)
    except ArchiveError as error:
        found.aside[f"{error.where}: {error.found}"] += len(rows)
        return
    if records is None:
        found.aside[f"the snapshot of {version} was made again since, or is no more"] += len(rows)
        return
    for row, record in track(zip(rows, records, strict=True), "asking again", total=len(rows)):
        exclude = tuple(json.loads(row["exclude"] or "[]"))
        device = row["device"] or None
        request = Request(row["user_id"], row["asked_at"], sizes[row["request_id"]], row["scene"], exclude, device)
        answer = recommend(request, release, _then(record, row, settings))
        found.lists[row["request_id"]] = tuple(choice.item_id for choice in answer.items)


def _then(record: UserRecord | None, row: Mapping[str, Any], settings: Settings) -> UserRecord | None:
    """What serving knew: the record, and after it what the user had done since."""
    recent = np.frombuffer(row["recent"], RECENT)
    if not len(recent):
        return record
    return with_recent(record or stranger(row["asked_at"]), recent, settings.online_history.bounds())
