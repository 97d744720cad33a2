"""`GET /metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from feature_store.errors import VitrineError
from monitoring.names import FEATURE_FRESHNESS, ONLINE_INFO, ONLINE_VECTORS, RELEASE_AGE
from serving.answering import now
from serving.service import Service, service_of

router = APIRouter()


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Every metric of `monitoring/names.py` that serving keeps, in Prometheus' text format."""
    service = service_of(request)
    await _measure_ages(service)
    return Response(service.telemetry.text(), media_type=CONTENT_TYPE_LATEST)


async def _measure_ages(service: Service) -> None:
    """How old the release and the online vectors are, by the clock that serving goes by."""
    if service.releases.in_use is None:
        return
    release = service.releases.in_use.release
    moment = now(release, service)
    service.telemetry.set(RELEASE_AGE, moment - release.manifest.as_of)
    try:
        version = await service.lookup.version()
    except VitrineError:  # counted at every request; the last known age goes on being shown
        return
    if version is not None:
        service.telemetry.set(FEATURE_FRESHNESS, moment - version.as_of)
        service.telemetry.set(ONLINE_VECTORS, version.users)
        service.telemetry.replace(ONLINE_INFO, version=version.name, feature_set=version.feature_set)
