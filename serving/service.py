"""The long-lived things of one worker, made once and passed to every request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio

if TYPE_CHECKING:
    from fastapi import Request

    from pipeline.settings import Settings
    from serving.exposures import ExposureLog
    from serving.lookup import UserLookup
    from serving.releases import ReleaseHolder
    from serving.telemetry import Telemetry

_THREADS = 2
"""Lists computed at once by one worker. More would only take turns, and make health checks wait for their turn."""


@dataclass(frozen=True)
class Service:
    settings: Settings
    telemetry: Telemetry
    releases: ReleaseHolder
    lookup: UserLookup
    exposures: ExposureLog
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_THREADS))
    started: float = field(default_factory=time.monotonic)


def service_of(request: Request) -> Service:
    return cast("Service", request.app.state.service)  # Starlette's state holds anything
