"""A few lists with the names of their items beside what was bought: of users spread evenly, none of them named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.metrics import PADDING

if TYPE_CHECKING:
    from feature_store.catalog import Catalog
    from pipeline.evaluation.contenders import Asked
    from pipeline.evaluation.judgement import Truth

USERS = 5
ITEMS = 10


def examples_of(asked: Asked, truth: Truth, catalog: Catalog) -> list[dict[str, Any]]:
    """Per user: the baskets before, the first items of the list with sources and whether they were bought, and the
    dearest of what was bought with whether the whole list holds it.
    """
    return [_example(int(user), asked, truth, catalog) for user in _spread(len(asked.lists))]


def _spread(users: int) -> list[int]:
    return sorted(set(np.linspace(0, users - 1, min(USERS, users)).astype(int).tolist())) if users else []


def _example(user: int, asked: Asked, truth: Truth, catalog: Catalog) -> dict[str, Any]:
    whole = asked.lists[user][asked.lists[user] != PADDING]
    dearest = np.argsort(-truth.money[user], kind="stable")[:ITEMS]
    return {
        "baskets": int(truth.baskets[user]),
        "listed": [
            {
                "title": _named(item, catalog),
                "sources": [name for name, places in asked.proposed.items() if places[user, place]],
                "bought": bool(np.isin(item, truth.items[user])),
            }
            for place, item in enumerate(whole[:ITEMS])
        ],
        "bought": [
            {"title": _named(item, catalog) if item >= 0 else "", "listed": bool(np.isin(item, whole))}
            for item in truth.items[user][dearest]
        ],
        "bought_items": len(truth.items[user]),
    }


def _named(item: int, catalog: Catalog) -> str:
    """The item's title, or its id where the shop has none."""
    return str(catalog.titles[item]) or f"item {catalog.ids[item]}"
