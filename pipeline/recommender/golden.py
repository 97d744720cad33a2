"""The requests that a release is tried with before it serves: made up, so that a release names nobody."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np

from feature_store.online.packed import pack, unpack
from feature_store.online.recent import default_values
from feature_store.online.store import UserRecord
from feature_store.schema import EVENT_KINDS, PURCHASE
from pipeline.recommender.recommend import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from feature_store.catalog import Catalog
    from pipeline.recommender.recall.source import Candidates

GOLDEN = "golden_requests.jsonl"
GOLDEN_REQUESTS = 20
_EVENTS_MORE = 10
"""Each has so many more events than the one before it: short and long histories are both tried."""
_SECONDS_BETWEEN = 6 * 3600


def golden_requests(catalog: Catalog, popular: Candidates, as_of: int) -> str:
    """One line of JSON a request: `golden-1` … with what the online store would hold of them, packed.

    Nobody's history is in it: `golden-n` bought n x 10 popular items, one every six hours up to `as_of`.
    """
    lines = [
        {
            "user_id": f"golden-{number}",
            "asked_at": as_of,
            "record": base64.b64encode(pack(_record(number, catalog, popular, as_of))).decode(),
        }
        for number in range(1, GOLDEN_REQUESTS + 1)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def read_golden(folder: Path) -> Iterator[tuple[Request, UserRecord | None]]:
    """The requests of a release, and what is known of each asker; releases of format 1 have ids and nothing else."""
    path = folder / GOLDEN
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        asked = json.loads(line)
        record = asked.pop("record", None)
        yield Request(**asked), None if record is None else unpack(base64.b64decode(record))


def _record(number: int, catalog: Catalog, popular: Candidates, as_of: int) -> UserRecord:
    events = number * _EVENTS_MORE if len(popular.items) else 0
    places = (number + np.arange(events) * number) % max(len(popular.items), 1)
    ones = np.ones(events, np.float32)
    return UserRecord(
        as_of,
        default_values(),
        catalog.keys[popular.items[places]],
        as_of - _SECONDS_BETWEEN * np.arange(events, 0, -1),
        np.full(events, EVENT_KINDS.index(PURCHASE), np.uint8),
        ones,
        ones,
    )
