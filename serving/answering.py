"""From a request to a list, whatever is broken."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anyio import to_thread

from monitoring.names import RECOMMENDATIONS
from pipeline.recommender.recommend import Answer, Request, recommend
from serving.errors import NothingToServeError, UnknownSceneError
from serving.fallback import NOTHING_LOADED, RECOMMEND_FAILED

if TYPE_CHECKING:
    from feature_store.online.store import Found
    from pipeline.recommender.release import Release
    from serving.releases import InUse
    from serving.schemas import RecommendRequest
    from serving.service import Service

log = logging.getLogger(__name__)
_WITHOUT_STORE = 1


@dataclass(frozen=True)
class Listed:
    """An answer, the release that gave it, and what was known of the asker (None: nothing)."""

    release: str
    answer: Answer
    request: Request
    known: Found | None = None


async def answer(asked: RecommendRequest, request_id: str, service: Service) -> Listed:
    """The list for a request.

    Level 0: personal. 1: the online store failed. 2: recommending failed or found nothing, so the popular list.
    3: no release is loaded, so the popular list of one that cannot be.

    Raises:
        UnknownSceneError: the release in use has no such scene.
        NothingToServeError: no release is loaded and there is no popular list.
    """
    in_use = service.releases.in_use
    listed = (
        _without_release(asked, service) if in_use is None else await _with_release(asked, request_id, in_use, service)
    )
    scene = asked.scene if in_use else "any"  # a name nobody has checked would make labels without end
    service.telemetry.count(RECOMMENDATIONS, scene=scene, degrade_level=str(listed.answer.degrade_level))
    return listed


async def _with_release(asked: RecommendRequest, request_id: str, in_use: InUse, service: Service) -> Listed:
    release = in_use.release
    if asked.scene not in release.scenes:
        raise UnknownSceneError(
            "scene",
            expected=f"one of {', '.join(release.scenes)}",
            found=asked.scene,
            remedy="See `config/scenes.yaml`.",
        )
    known, trouble = await service.lookup.find(asked.user_id)
    record = known.record if known else None
    request = _request(asked, asked_at(asked, release, service), request_id)
    try:
        found = await to_thread.run_sync(recommend, request, release, record, limiter=service.threads)
        reason = "" if found.items else "nothing to recommend"
    except Exception as error:
        log.exception("recommending failed", extra={"release": release.name, "scene": asked.scene})
        found, reason = Answer(()), f"recommending failed: {type(error).__name__}"
    if reason:
        found = in_use.popular.answer(asked.size, asked.exclude, RECOMMEND_FAILED, reason)
    elif trouble:
        found = replace(found, degrade_level=_WITHOUT_STORE, degrade_reason=trouble)
    return Listed(release.name, found, request, known)


def _without_release(asked: RecommendRequest, service: Service) -> Listed:
    popular = service.releases.standby
    if popular is None:
        raise NothingToServeError(
            "serving", expected="a release", found="none that loads", remedy="Run the pipeline, or see `GET /health`."
        )
    found = popular.answer(asked.size, asked.exclude, NOTHING_LOADED, "no release is loaded")
    moment = int(asked.time.timestamp()) if asked.time else int(time.time())
    return Listed(popular.release, found, _request(asked, moment))


def _request(asked: RecommendRequest, moment: int, request_id: str = "") -> Request:
    return Request(asked.user_id, moment, asked.size, asked.scene, tuple(asked.exclude), asked.device, request_id)


def asked_at(asked: RecommendRequest, release: Release, service: Service) -> int:
    """The moment of asking, seconds since 1970 UTC: the request's own, or the serving clock's."""
    return int(asked.time.timestamp()) if asked.time else now(release, service)


def now(release: Release, service: Service) -> int:
    """What serving takes for now: the end of the release's day when the shop's data ended long ago."""
    return release.manifest.as_of if service.settings.serving.clock == "snapshot" else int(time.time())
