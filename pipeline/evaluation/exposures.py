"""What recommendation slots showed and what became of it: one row per item shown, from the clean archive's events.

A shown item is *clicked* when a click of the same request (without a request id: of the same visit) says so.
A purchase belongs to the user's last click on the item before it, within the window, so that money is counted once.
It is *wanted* when it lay in the user's cart or was bought within the window after it was shown, clicked or not.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from feature_store.schema import EVENTS, EXPOSURE

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.settings import Settings

ONE_DAY = dt.timedelta(days=1)
_SHOWN = """
WITH told AS (
    SELECT kind, time, user_id, item_id, basket_id, value, slot, position, request_id
    FROM read_parquet($files, union_by_name = true, filename = true)
    WHERE kind IN ('impression', 'click', 'cart', 'purchase')
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY updated_at DESC, filename DESC) = 1
),
shown AS (
    SELECT user_id, item_id, coalesce(slot, '') AS slot, coalesce(request_id, basket_id) AS request,
        min(time) AS time, min(position) AS position
    FROM told WHERE kind = 'impression' AND time >= $first AND time < $after GROUP BY ALL
),
clicked AS (
    SELECT user_id, item_id, coalesce(slot, '') AS slot, coalesce(request_id, basket_id) AS request,
        min(time) AS clicked_at
    FROM told WHERE kind = 'click' GROUP BY ALL
),
bought AS (
    SELECT user_id, item_id, time AS bought_at, sum(value) AS money
    FROM told WHERE kind = 'purchase' GROUP BY ALL
),
earned AS (
    SELECT c.user_id, c.item_id, c.slot, c.request, sum(b.money) AS money
    FROM bought b ASOF JOIN clicked c
        ON b.user_id = c.user_id AND b.item_id = c.item_id AND b.bought_at >= c.clicked_at
    WHERE b.bought_at <= c.clicked_at + $hours * INTERVAL 1 HOUR GROUP BY ALL
),
intents AS (SELECT user_id, item_id, time AS wanted_at FROM told WHERE kind IN ('cart', 'purchase')),
followed AS (
    SELECT s.*, i.wanted_at FROM shown s ASOF LEFT JOIN intents i
        ON s.user_id = i.user_id AND s.item_id = i.item_id AND s.time <= i.wanted_at
)
SELECT f.user_id, f.item_id, f.slot, f.request, f.time, f.position, {served}
    c.clicked_at IS NOT NULL AS clicked,
    coalesce(f.wanted_at <= f.time + $hours * INTERVAL 1 HOUR, false) AS wanted,
    e.money IS NOT NULL AS bought,
    coalesce(e.money, 0) AS money
FROM followed f
LEFT JOIN clicked c USING (user_id, item_id, slot, request)
LEFT JOIN earned e USING (user_id, item_id, slot, request)
{join}
ORDER BY f.time, f.request, f.position, f.item_id
"""
_SERVED = "v.scene, v.variant, v.release, v.sources, v.place, v.propensity, v.degrade_level,"
_JOIN = """
LEFT JOIN (
    SELECT request_id, item_id, any_value(scene) AS scene, any_value(variant) AS variant,
        any_value(release) AS release, any_value(sources) AS sources, any_value(position) AS place,
        any_value(propensity) AS propensity, any_value(degrade_level) AS degrade_level
    FROM read_parquet($served, union_by_name = true) GROUP BY request_id, item_id
) v ON v.request_id = f.request AND v.item_id = f.item_id
"""


def shown_items(first: dt.date, last: dt.date, settings: Settings) -> pd.DataFrame:
    """One row per item shown on the days `first` to `last`, both included: user_id, item_id, slot, request, time,
    position, clicked, wanted, bought (after the click), money; and, where serving logged its answers, the scene,
    variant, release and sources (separated by commas) of the request, the item's place in the answer, its propensity
    and the answer's degrade_level; empty where it did not log this one.
    """
    import duckdb
    import pandas as pd

    files = _with_exposures(settings.workspace.clean, first)
    if not files:
        return pd.DataFrame(columns=["user_id", "item_id", *EXPOSURE])
    start, end = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (first, last + ONE_DAY))
    with duckdb.connect(
        config={"threads": settings.compute.threads, "memory_limit": settings.compute.memory_limit}
    ) as at:
        at.execute("SET TimeZone = 'UTC'")
        served = _served(first, settings)
        query = _SHOWN.format(served=_SERVED if served else "", join=_JOIN if served else "")
        values: dict[str, object] = {"served": served} if served else {}
        values |= {"files": files, "first": start, "after": end, "hours": settings.evaluation.attribution_hours}
        shown: pd.DataFrame = at.sql(query, params=values).to_arrow_table().to_pandas()
        return shown


def _with_exposures(clean: Path, first: dt.date) -> list[str]:
    """Partitions from a day before on (a row's partition is when it was told); none where no slot was ever told of."""
    import pyarrow.parquet as pq

    paths = [
        path
        for path in sorted((clean / EVENTS.name).glob("day=*/part.parquet"))
        if dt.date.fromisoformat(path.parent.name.removeprefix("day=")) >= first - ONE_DAY
    ]
    told = any("request_id" in pq.ParquetFile(path).schema_arrow.names for path in paths)
    return [str(path) for path in paths] if told else []


def _served(first: dt.date, settings: Settings) -> list[str]:
    """Files of serving's own log from a day before on: a page may be looked at long after it was answered."""
    return [
        str(path)
        for path in sorted(settings.exposures_folder.glob("day=*/[!.]*.parquet"))
        if dt.date.fromisoformat(path.parent.name.removeprefix("day=")) >= first - ONE_DAY
    ]
