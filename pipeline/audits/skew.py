"""Whether the ranker was told the same by serving as training would have told it: vectors that were served are computed
again from snapshots, by the path that makes training rows, and compared bit for bit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from feature_store.context import Context, context_of
from feature_store.errors import ArchiveError, FeatureSetMismatchError
from feature_store.history import History, build_history
from feature_store.matrix import Rows, UserSide, assemble
from feature_store.online.recent import RECENT, default_values
from feature_store.registry import registry
from pipeline.audits.results import keep_result
from pipeline.errors import EmptyDayError, RecallMismatchError, ReleaseError, SkewError
from pipeline.exposures import exposures
from pipeline.knowledge import rng
from pipeline.online_records import records_of
from pipeline.recommender.recall.source import Asker
from pipeline.recommender.recommend import offer
from pipeline.recommender.release import Release, load_release

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from feature_store.online.store import UserRecord
    from pipeline.settings import Settings

REQUESTS = 500
"""Requests of a day that are computed again, drawn evenly; what is wrong in one list of a hundred is found but for one
audit in a hundred and fifty."""


@dataclass(frozen=True)
class Served:
    """A request as it was answered. vectors: one for each of `item_ids`, float32 in the release's order of features."""

    user_id: str
    asked_at: int
    scene: str
    device: str
    release: str
    online_version: str
    recent: bytes
    item_ids: tuple[str, ...]
    vectors: tuple[bytes, ...]


@dataclass
class Skew:
    """What an audit found. rows: vectors compared; differs: feature -> in how many of them it differs;
    aside: why -> requests that could not be computed again.
    """

    rows: int = 0
    differs: Counter[str] = field(default_factory=Counter)
    aside: Counter[str] = field(default_factory=Counter)

    @property
    def shares(self) -> dict[str, float]:
        """Feature -> share of the rows in which it differs, the worst first; those that never do are left out."""
        return {name: rows / self.rows for name, rows in self.differs.most_common()}

    @property
    def worst(self) -> float:
        return max(self.shares.values(), default=0.0)


def audit_skew(day: dt.date, settings: Settings, most: int = REQUESTS) -> Skew:
    """What `measure_skew` finds, when it is little enough.

    Raises:
        EmptyDayError: no vector of that day was kept, or none can be computed again (says why).
        SkewError: a feature differs in a larger share of rows than `exposures.largest_skew`; names every one.
    """
    found = measure_skew(day, settings, most)
    _require_none(found, day, settings.exposures.largest_skew)
    return found


def measure_skew(day: dt.date, settings: Settings, most: int = REQUESTS) -> Skew:
    """Compare up to `most` requests of `day`; the worst feature's share is kept for the gate.

    Raises:
        EmptyDayError: no vector of that day was kept, or none can be computed again (says why).
    """
    served = _sample(_served(day, settings), most, rng(settings, "skew", str(day)))
    found = Skew()
    for (release, version), same in groupby(sorted(served, key=_maker), key=_maker):
        _compare(list(same), release, version, settings, found)
    if not found.rows:
        raise EmptyDayError(
            f"audit of {day}",
            expected=f"served vectors below {settings.exposures_folder} that can be computed again",
            found="; ".join(f"{count} requests: {why}" for why, count in found.aside.items()) or "none",
            remedy="Name another day, or keep more vectors (`exposures.vector_share`).",
        )
    keep_result("skew", day, {"skew_share": found.worst}, settings)
    return found


def _require_none(found: Skew, day: dt.date, largest: float) -> None:
    wrong = {name: share for name, share in found.shares.items() if share > largest}
    if wrong:
        raise SkewError(
            f"audit of {day}",
            expected=f"served features as training makes them, but for {largest:.2%} of the rows",
            found=f"other values in {found.rows} rows: "
            + ", ".join(f"{name} in {share:.2%}" for name, share in wrong.items()),
            remedy="Sync again (`vitrine stage sync`); if it comes back, store or serving change what they are given.",
        )


def _maker(served: Served) -> tuple[str, str]:
    return served.release, served.online_version


def _served(day: dt.date, settings: Settings) -> list[Served]:
    """The requests of `day` whose vectors were kept."""
    table = exposures(day, settings)
    if table is None:
        return []
    rows: list[dict[str, Any]] = table.filter(pc.greater(pc.binary_length(table["vector"]), 0)).to_pylist()
    starts = [*(at for at, row in enumerate(rows) if row["position"] == 1), len(rows)]
    return [_request(rows[start:end]) for start, end in pairwise(starts)]


def _request(rows: Sequence[dict[str, Any]]) -> Served:
    names = ("user_id", "asked_at", "scene", "device", "release", "online_version", "recent")
    items, vectors = tuple(row["item_id"] for row in rows), tuple(row["vector"] for row in rows)
    return Served(**{name: rows[0][name] for name in names}, item_ids=items, vectors=vectors)


def _sample(served: list[Served], most: int, generator: np.random.Generator) -> list[Served]:
    if len(served) <= most:
        return served
    return [served[at] for at in sorted(generator.choice(len(served), most, replace=False))]


def _compare(served: list[Served], name: str, version: str, settings: Settings, found: Skew) -> None:
    """Compute the vectors of one release and one snapshot again, and count what differs."""
    try:
        release = load_release(settings.releases / name)
        known = records_of([each.user_id for each in served], version, settings)
    except (ReleaseError, FeatureSetMismatchError, RecallMismatchError, ArchiveError) as error:
        found.aside[f"{error.where}: {error.found}"] += len(served)
        return
    if known is None:
        found.aside[f"the snapshot of {version} was made again since, or is no more"] += len(served)
        return
    expected = compute_again(served, known, release, settings)
    seen = np.frombuffer(b"".join(vector for each in served for vector in each.vectors), np.uint32)
    differs = (expected.view(np.uint32) != seen.reshape(expected.shape)).sum(axis=0)
    found.rows += len(expected)
    found.differs.update({name: int(n) for name, n in zip(release.manifest.features, differs, strict=True) if n})


def compute_again(
    served: Sequence[Served], known: Sequence[UserRecord | None], release: Release, settings: Settings
) -> NDArray[np.float32]:
    """The vectors of every item of every request in one batch, as training makes them: (items of all, features)."""
    asked_at = np.array([each.asked_at for each in served], np.int64)
    history = _histories(served, known, release, settings)
    history = history.select(history.time < asked_at[history.user])
    shown = [release.item_side.catalog.rows_of_ids(each.item_ids) for each in served]
    recall = [
        _scores(release, each.scene, Asker(history.of(at), each.asked_at), items)
        for at, (each, items) in enumerate(zip(served, shown, strict=True))
    ]
    nowhere = [np.full(len(items), np.nan, np.float32) for items in shown]
    rows = Rows(
        np.repeat(np.arange(len(served), dtype=np.int32), [len(items) for items in shown]),
        np.concatenate(shown),
        {
            name: np.concatenate([scores.get(name, none) for scores, none in zip(recall, nowhere, strict=True)])
            for name in sorted({name for scores in recall for name in scores})
        },
    )
    values = np.stack([default_values() if record is None else record.values for record in known])
    side = UserSide(values, history, asked_at, _contexts(served, release))
    return assemble(release.manifest.features, registry(), release.item_side, side, rows)


def _histories(
    served: Sequence[Served], known: Sequence[UserRecord | None], release: Release, settings: Settings
) -> History:
    """What each asker had done: the snapshot's events and those appended since, bounded as in training, of items that
    the release knows.
    """
    recent = [np.frombuffer(each.recent, RECENT) for each in served]
    parts = [(at, record) for at, record in enumerate(known) if record is not None]
    lengths = [(at, len(record.item)) for at, record in parts] + [(at, len(rows)) for at, rows in enumerate(recent)]

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([*(getattr(record, name) for _, record in parts), *(rows[name] for rows in recent)])

    asker = np.repeat([at for at, _ in lengths], [length for _, length in lengths])
    keys, item = np.unique(column("item"), return_inverse=True)
    time = column("time").astype(np.int64)
    events = (asker, item, time, column("kind"), column("quantity"), column("value"))
    history = build_history(*events, users=len(served)).latest(settings.online_history.bounds())
    rows = release.item_side.catalog.rows(keys)[history.item]
    held = history.select(rows >= 0)
    return History(held.offsets, rows[rows >= 0], held.time, held.kind, held.quantity, held.value)


def _scores(release: Release, scene: str, asker: Asker, items: NDArray[np.int32]) -> dict[str, NDArray[np.float32]]:
    """What each recall source says of the items shown, NaN where it did not offer them."""
    offered = offer(release.recall, release.scenes[scene], asker)
    at = np.minimum(np.searchsorted(offered.items, items), max(len(offered.items) - 1, 0))
    held = offered.items[at] == items
    return {name: np.where(held, column[at], np.float32(np.nan)) for name, column in offered.scores.items()}


def _contexts(served: Sequence[Served], release: Release) -> Context:
    manifest = release.manifest
    each = [
        context_of(
            np.array([one.asked_at], np.int64),
            timezone=manifest.timezone,
            scene=one.scene,
            scenes=tuple(manifest.scenes),
            device=one.device or None,  # type: ignore[arg-type]  # one of DEVICES: serving has checked it
        )
        for one in served
    ]
    return Context(*(np.concatenate([getattr(one, name) for one in each]) for name in ("clock", "scene", "device")))
