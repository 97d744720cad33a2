"""Small shops for the tests of recall, baselines and metrics, built from plain events."""

from collections.abc import Iterable, Sequence

import numpy as np

from feature_store.catalog import Catalog
from feature_store.history import History, build_history
from feature_store.schema import EVENT_KINDS, LEVELS
from pipeline.recommender.recall.source import Asker

DAY = 86_400
NOW = 1_509_926_400
"""2017-11-06 00:00 UTC."""


def history(*events: tuple, users: int = 1, now: int = NOW) -> History:
    """Events as (user, item, days ago) or (user, item, days ago, kind); a purchase where no kind is named."""
    rows = [(user, item, now - int(ago * DAY), (*kind, "purchase")[0]) for user, item, ago, *kind in events]
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    user, item, time = (np.array(column, np.int64) for column in columns[:3])
    kind = np.array([EVENT_KINDS.index(name) for name in columns[3]], np.int64)
    return build_history(user, item, time, kind, np.ones(len(user)), np.ones(len(user)), users=users)


def catalog(
    categories: Sequence[str],
    off_sale: Sequence[int] = (),
    brands: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
) -> Catalog:
    """One item per entry, in that order of rows; the category is also the subcategory.

    off_sale: rows of items that are not available; brands and titles: none where not given, but for a number as title
    """
    ids = np.array([str(row) for row in range(len(categories))], np.str_)
    texts = dict.fromkeys(LEVELS, categories) | {"brand": brands or [""] * len(ids)}
    grouped = {level: np.unique(np.array(texts[level], np.str_), return_inverse=True) for level in LEVELS}
    groups = {level: rows.astype(np.int32) for level, (_, rows) in grouped.items()}
    names_of = {level: names for level, (names, _) in grouped.items()}
    available = ~np.isin(np.arange(len(ids)), list(off_sale))
    named = ids if titles is None else np.array(titles, np.str_)
    return Catalog(np.arange(len(ids)), ids, named, groups, names_of, available)


def asker(*events: tuple, now: int = NOW) -> Asker:
    """Somebody who did `events`, as (item, days ago) or (item, days ago, kind), and asks now."""
    return Asker(history(*((0, *event) for event in events), now=now), now)


TRIBES, USERS, ITEMS_PER_TRIBE = 4, 80, 60
NEW_PER_TRIBE, NEW_WEEKS = 4, 3
"""The last items of each tribe are sold for so many weeks only."""
FEW_TASTES = catalog(
    [f"tribe {item // ITEMS_PER_TRIBE}" for item in range(TRIBES * ITEMS_PER_TRIBE)],
    brands=[f"brand {item // 20}" for item in range(TRIBES * ITEMS_PER_TRIBE)],
)


def shop_of_tribes(kinds: Iterable[str] = ("purchase",), now: int = NOW) -> tuple[History, list[np.ndarray]]:
    """A shop in which each user wants items of one tribe of four, some much more than others, a few of them always,
    and in which some items are new.

    12 weeks of events, and what each user takes in the week after; true structure for every source to find.
    """
    random = np.random.default_rng(7)
    kinds = list(kinds)
    liking = 1 / np.arange(1, ITEMS_PER_TRIBE + 1)
    events, truth = [], []
    for user in range(USERS):
        chance = liking.copy()
        chance[random.choice(ITEMS_PER_TRIBE, 5, replace=False)] += 0.5
        for week in range(12, -1, -1):
            sold = chance * (np.arange(ITEMS_PER_TRIBE) < ITEMS_PER_TRIBE - NEW_PER_TRIBE * (week > NEW_WEEKS))
            items = random.choice(ITEMS_PER_TRIBE, 6, replace=False, p=sold / sold.sum())
            items += user % TRIBES * ITEMS_PER_TRIBE
            if not week:
                truth.append(np.sort(items))
            else:
                ago = 7 * week - random.integers(0, 6)
                events += [(user, item, ago, kinds[random.integers(len(kinds))]) for item in items]
    return history(*events, users=USERS, now=now), truth
