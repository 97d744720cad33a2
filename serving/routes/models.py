"""`GET /models` and `POST /models/reload`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from pipeline.errors import ReleaseError
from pipeline.recommender.release import names, read_manifest
from serving.errors import json_response
from serving.schemas import ErrorResponse, ListedRelease, ModelsResponse, ReloadRequest, ReloadResponse
from serving.service import service_of

if TYPE_CHECKING:
    from pathlib import Path

router = APIRouter()


@router.get("/models", response_model=ModelsResponse)
async def models(request: Request) -> Response:
    """Every release on disk, and which one this process serves."""
    releases = service_of(request).releases
    listed = await to_thread.run_sync(_list, releases.folder, releases.name)
    return json_response({"current": releases.name, "releases": [entry.model_dump() for entry in listed]})


@router.post(
    "/models/reload",
    response_model=ReloadResponse,
    responses={status: {"model": ErrorResponse} for status in (404, 409, 503)},
)
async def reload(request: Request, body: ReloadRequest | None = None) -> Response:
    """Serve the release that `releases/current` names, or the one named here; a broken one changes nothing (409).

    With a name the pointer moves, so that every other worker follows within a second: this is also how to roll back.
    """
    swap = await service_of(request).releases.reload(body.release if body else None)
    return json_response(asdict(swap))


def _list(folder: Path, in_use: str | None) -> list[ListedRelease]:
    return [_describe(folder, name, in_use) for name in names(folder)]


def _describe(folder: Path, name: str, in_use: str | None) -> ListedRelease:
    try:
        manifest = read_manifest(folder / name)
    except ReleaseError as error:
        return ListedRelease(release=name, day=None, in_use=name == in_use, metrics={}, problem=error.found)
    return ListedRelease(release=name, day=manifest.day, in_use=name == in_use, metrics=manifest.metrics)
