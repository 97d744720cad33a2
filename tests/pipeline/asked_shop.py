"""The tiny shop of serving's tests with a snapshot behind its online store, asked over HTTP."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpx
import numpy as np
import pyarrow as pa

from feature_store.history import History
from feature_store.history_files import write_history
from feature_store.made_from import MADE_FROM
from feature_store.registry import stored_features
from feature_store.schema import LEVELS
from feature_store.snapshot import SHOP, read_snapshot, write_snapshot
from pipeline.exposures import exposure_days
from serving.app import create_app
from tests.serving.releases import AS_OF, BASKETS, ITEMS

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings

DAY = dt.date(2017, 11, 5)
HOUR = 3_600
ASKED = dt.datetime.fromtimestamp(AS_OF + 9 * HOUR, dt.UTC)
"""In the morning after the snapshot."""


def write_features(folder: Path, bounds: dict[str, int]) -> None:
    """The snapshot of `DAY` with a value of its own for every feature, and what both users bought."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)

    def table(entity: str, keys: dict[str, list]) -> pa.Table:
        rows = len(next(iter(keys.values())))
        values = {f.name: generator.random(rows).astype(np.float32) for f in stored_features(entity)}
        return pa.table(keys | values)

    tables = {
        "user": table("user", {"user_id": sorted(BASKETS)}),
        "item": table(
            "item",
            {"item_id": list(ITEMS), "title": list(ITEMS), **{level: ["even", "odd"] * 4 for level in LEVELS}}
            | {"available": [True] * len(ITEMS)},
        ),
        "category": table("category", {"category": ["even", "odd"]}),
        "brand": table("brand", {"brand": ["even", "odd"]}),
        SHOP: pa.table({"hour_of_week": [8, 17, 140], "baskets": [5, 3, 2]}),
    }
    write_snapshot(folder, tables, DAY)
    (folder / MADE_FROM).write_text("{}")
    snapshot = read_snapshot(folder)
    bought = [
        snapshot.item_side.catalog.rows_of_ids([ITEMS[at] for at in reversed(basket)]) for basket in BASKETS.values()
    ]
    ones = np.ones(8, np.float32)
    times = np.tile(AS_OF - 86_400 * np.arange(4, 0, -1), 2)
    history = History(np.array([0, 4, 8]), np.concatenate(bought), times, np.zeros(8, np.uint8), ones, ones)
    write_history(folder, [history.latest(bounds)])


def serve(shop: Settings, *bodies: dict) -> dt.date:
    """Ask for lists over HTTP, the n-th as request `r-n`; the day under which the log has them."""
    asyncio.run(_serve(shop, bodies))
    return dt.date.fromisoformat(exposure_days(shop)[-1])


async def _serve(shop: Settings, bodies: tuple[dict, ...]) -> None:
    async with _started(shop) as client:
        for number, body in enumerate(bodies):
            asked = {"time": ASKED.isoformat(), **body}
            answer = await client.post("/api/v1/recommend", json=asked, headers={"X-Request-ID": f"r-{number}"})
            assert answer.status_code == 200


@asynccontextmanager
async def _started(shop: Settings):
    app = create_app(shop)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://t") as client,
    ):
        with anyio.fail_after(30):
            while (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110 - asked as a caller does
                await anyio.sleep(0.01)
        yield client
