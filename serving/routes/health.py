"""`GET /live`, `/ready` and `/health`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from feature_store.errors import VitrineError
from serving.errors import describe, json_response
from serving.service import service_of

if TYPE_CHECKING:
    from serving.lookup import UserLookup

router = APIRouter()


@router.get("/live")
async def live() -> Response:
    """The process runs; nothing else is asked."""
    return json_response({"live": True})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """200 once a checked release is loaded and warm, 503 before."""
    releases = service_of(request).releases
    if releases.in_use is None:
        problem = releases.problem
        return json_response({"ready": False, "reason": str(problem) if problem else "no release is loaded yet"}, 503)
    return json_response({"ready": True, "release": releases.name})


@router.get("/health")
async def health(request: Request) -> Response:
    """What this process serves and what is wrong, for a person; always 200."""
    service = service_of(request)
    in_use, problem = service.releases.in_use, service.releases.problem
    store, store_is_well = await _store(service.lookup)
    content = {
        "status": "ok" if in_use and store_is_well and not problem else "degraded",
        "release": service.releases.name,
        "day": in_use.release.manifest.day if in_use else None,
        "feature_set": in_use.release.manifest.feature_set if in_use else None,
        "problem": describe(problem) if problem else None,
        "online_store": store,
        "uptime_seconds": round(time.monotonic() - service.started, 1),
    }
    return json_response(content)


async def _store(lookup: UserLookup) -> tuple[dict[str, object], bool]:
    """The store's version or what is wrong with it, and whether all is well."""
    try:
        version = await lookup.version()
    except VitrineError as error:
        return dict(describe(error)), False
    return (asdict(version), True) if version else ({"problem": "never synced"}, False)
