"""What the pipeline would know of the shop of tribes, without a pipeline."""

import numpy as np

from feature_store.matrix import ItemSide
from feature_store.snapshot import Snapshot
from pipeline.knowledge import Knowledge
from pipeline.recommender.recall import SOURCES
from pipeline.tuning.offers import ask_everybody
from tests.pipeline.recommender.shop import FEW_TASTES, NOW, USERS, shop_of_tribes

EVENTS, TRUTH = shop_of_tribes()
NAMES = np.array([f"user {user:02}" for user in range(USERS)])
BOUGHT = {str(name): {str(item): 1.0 for item in items} for name, items in zip(NAMES, TRUTH, strict=True)}


class Numbered(type(FEW_TASTES)):
    """The catalog with row numbers as ids, in place of the keys that a real one looks them up by."""

    def rows_of_ids(self, ids):
        return np.array([int(name) for name in ids], np.int32)


def known():
    nothing = np.empty((0, 0), np.float32)
    catalog = Numbered(**{name: getattr(FEW_TASTES, name) for name in FEW_TASTES.__dataclass_fields__})
    side = ItemSide(catalog, nothing, nothing, nothing, nothing)
    return Knowledge(Snapshot(NOW, side, NAMES, nothing), EVENTS, {})


def offers(*names, depth=60, most_users=None):
    """What the named sources offer everybody."""
    sources = {name: SOURCES[name].fit(EVENTS, FEW_TASTES, NOW) for name in names}
    return ask_everybody(known(), sources, BOUGHT, depth=depth, most_users=most_users)
