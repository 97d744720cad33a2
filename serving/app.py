"""The application: HTTP around `recommend()`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import FastAPI

from serving.errors import add_error_handlers
from serving.exposures import ExposureLog
from serving.lookup import UserLookup, open_readers
from serving.releases import ReleaseHolder
from serving.routes import health, metrics, models, recommend
from serving.service import Service
from serving.telemetry import CountRequests, Telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The application of one worker. It is alive at once, and ready when a release is loaded and warm.

    Raises (when it starts):
        OnlineStoreError: `online_store_url` is of no known kind.
    """
    telemetry = Telemetry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        lookup = UserLookup(open_readers(settings), telemetry)
        releases = ReleaseHolder(settings.releases, telemetry)
        exposures = ExposureLog(settings.exposures_folder, settings.exposures, telemetry)
        app.state.service = Service(settings, telemetry, releases, lookup, exposures)
        watching = asyncio.create_task(releases.watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await lookup.close()
            await to_thread.run_sync(exposures.close)

    app = FastAPI(title="Vitrine", summary="A list of items for a user.", lifespan=lifespan)
    app.add_middleware(CountRequests, telemetry=telemetry)
    add_error_handlers(app)
    for room in (recommend, models, health, metrics):
        app.include_router(room.router)
    return app
