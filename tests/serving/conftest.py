"""The application over ASGI, with a tiny release and a filled store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from serving.app import create_app
from tests.serving.releases import publish, sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pipeline.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def shop(settings: Callable[..., Settings]) -> Settings:
    """Settings of a shop with one release, `first`, and its online store; SQLite, as embedded."""
    made = settings(serving={"clock": "snapshot", "online_timeout_ms": 2_000})
    publish(made.releases, "first", made)
    sync(made)
    return made


@pytest.fixture
def serve() -> Callable[..., object]:
    """`async with serve(settings) as client`: the application, started; ready unless told not to wait for it."""

    @asynccontextmanager
    async def run(settings: Settings, *, wait: bool = True) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(settings)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            with anyio.fail_after(30):
                while wait and (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110 - asked as a caller does
                    await anyio.sleep(0.01)
            yield client

    return run
