"""Which release a worker serves: loaded, verified, warmed up, then swapped in one assignment."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import anyio
from anyio import to_thread

from feature_store.errors import FeatureSetMismatchError, VitrineError
from monitoring.names import RELEASE_INFO, RELOADS
from pipeline.errors import ReleaseError
from pipeline.recommender.release import (
    CURRENT,
    Release,
    current,
    load_release,
    names,
    point_to,
    require_let_through,
    verify,
)
from serving.errors import NothingToServeError, UnknownReleaseError
from serving.fallback import PopularList, find_popular, popular_of
from serving.warmup import warm_up

if TYPE_CHECKING:
    from pathlib import Path

    from serving.telemetry import Telemetry

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Swap:
    """What a reload did."""

    outcome: Literal["swapped", "unchanged"]
    old: str | None
    new: str
    seconds: float


@dataclass(frozen=True)
class InUse:
    """A release that answers, and its popular list for when it cannot."""

    release: Release
    popular: PopularList


class ReleaseHolder:
    """The release in use. Requests under way keep the one they began with; a new one that is broken changes nothing."""

    def __init__(self, folder: Path, telemetry: Telemetry) -> None:
        self.folder, self._telemetry = folder, telemetry
        self.in_use: InUse | None = None
        """None until a release is loaded and warm."""
        self.standby: PopularList | None = None
        """What to give while no release can be loaded at all."""
        self.problem: VitrineError | None = None
        """Why the last reload was refused; None once one succeeds, or the pointer is back at the release in use."""
        self._seen: tuple[str | None, int] | None = None
        self._one_at_a_time = anyio.Lock()

    @property
    def name(self) -> str | None:
        """The name of the release in use."""
        return self.in_use.release.name if self.in_use else None

    async def reload(self, name: str | None = None) -> Swap:
        """Serve what the pointer names; with a name, load that release first, then move the pointer to it.

        Raises:
            UnknownReleaseError: no release of that name.
            NothingToServeError: no pointer yet.
            ReleaseError, FeatureSetMismatchError: the release is broken; the one before goes on serving.
        """
        async with self._one_at_a_time:
            try:
                swap = await to_thread.run_sync(self._swap_to, name)
            except VitrineError as error:
                if self.in_use is None and not isinstance(error, UnknownReleaseError | NothingToServeError):
                    await to_thread.run_sync(self._make_do)
                self._refuse(error)  # last: who hears of the problem finds the other release, or the list, in place
                raise
        self._telemetry.count(RELOADS, outcome=swap.outcome)
        log.info("release reloaded", extra={"outcome": swap.outcome, "old": swap.old, "new": swap.new})
        return swap

    async def watch(self) -> None:
        """Follow the pointer until cancelled, so that a reload reaches every worker."""
        while True:
            try:
                await self._follow()
            except Exception:
                log.exception("cannot follow the pointer", extra={"folder": str(self.folder)})
            await anyio.sleep(POLL_SECONDS)

    async def _follow(self) -> None:
        """Reload when the pointer has moved since last seen; what was refused is not tried again until it moves."""
        seen = await to_thread.run_sync(_pointer, self.folder)
        if seen == self._seen or seen is None:
            return
        self._seen = seen
        if seen[0] is not None and seen[0] == self.name:
            self.problem = None
            return
        with suppress(VitrineError):  # already said and counted
            await self.reload()

    def _swap_to(self, name: str | None) -> Swap:
        start, old = time.perf_counter(), self.name
        new = name or _named(self.folder)
        if name and name not in names(self.folder):
            raise UnknownReleaseError(
                str(self.folder), expected="one of the releases there", found=name, remedy="`GET /models` lists them."
            )
        if new == old:
            verify(self.folder / new)
        else:
            ready = _load(self.folder / new)
        if name:
            point_to(self.folder, name)
        if new != old:
            self._take(ready)
        self.problem = None
        return Swap("unchanged" if new == old else "swapped", old, new, round(time.perf_counter() - start, 3))

    def _take(self, ready: InUse) -> None:
        before, self.in_use = self.in_use, ready
        for held, value in ((before, 0), (ready, 1)):
            if held is not None:
                manifest = held.release.manifest
                self._telemetry.set(RELEASE_INFO, value, release=manifest.release, feature_set=manifest.feature_set)

    def _make_do(self) -> None:
        """At start, with a broken release to serve: the newest one that is whole, or else any intact popular list."""
        for name in reversed(names(self.folder)):
            try:
                self._take(_load(self.folder / name))
            except VitrineError:
                continue
            log.warning("serving an older release", extra={"release": name})
            return
        self.standby = find_popular(self.folder)

    def _refuse(self, error: VitrineError) -> None:
        self._telemetry.count(RELOADS, outcome="refused")
        if not isinstance(error, UnknownReleaseError):
            self.problem = error
        log.error("release refused", extra={"reason": str(error), "in_use": self.name})


def _load(folder: Path) -> InUse:
    """A release, verified, loaded and warm.

    Raises:
        ReleaseError, FeatureSetMismatchError: it is broken in any way, or the gate did not let it through, whoever
            moved the pointer to it.
    """
    try:
        require_let_through(folder)
        release = load_release(folder)
        warm_up(release, folder)
    except (ReleaseError, FeatureSetMismatchError):
        raise
    except Exception as error:  # whatever it is, this release cannot answer, and the one in use must go on
        raise ReleaseError(
            str(folder),
            expected="a release that loads and answers its recorded requests",
            found=f"{type(error).__name__}: {error}",
            remedy="Publish the day again, or roll back.",
        ) from error
    return InUse(release, popular_of(release))


def _named(folder: Path) -> str:
    """What the pointer names.

    Raises:
        NothingToServeError: there is no pointer yet.
        ReleaseError: the pointer cannot be read.
    """
    try:
        name = current(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReleaseError(
            str(folder / CURRENT),
            expected="the name of a release",
            found=str(error),
            remedy="Roll back with `vitrine rollback`.",
        ) from error
    if name is None:
        raise NothingToServeError(
            str(folder), expected="a release", found="none", remedy="Run the pipeline: `./scripts/run_pipeline.sh`."
        )
    return name


def _pointer(folder: Path) -> tuple[str | None, int] | None:
    """What the pointer names (None: unreadable) and when it was moved; None before the first release."""
    try:
        moved = (folder / CURRENT).stat().st_mtime_ns
        return _named(folder), moved
    except (FileNotFoundError, NothingToServeError):
        return None
    except ReleaseError:
        return None, moved
