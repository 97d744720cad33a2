"""The guide's features work as they stand there, each added to one module and to nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from feature_store.definitions import cross
from feature_store.definitions import item as items
from feature_store.matrix import Rows, UserSide, assemble
from feature_store.registry import feature_set_id, registry, stored_features
from tests.feature_store.archive import NOW, Shop, event, known, open_shop, price

GUIDE = (Path(__file__).parents[2] / "docs" / "add-a-feature.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture
def added(monkeypatch):
    """The registry with the guide's blocks at the end of the modules that it names."""
    before = feature_set_id(), set(registry())
    for module, block in zip((items, cross), BLOCKS, strict=True):
        scope = dict(vars(module))
        exec(f"from __future__ import annotations\n{block}", scope)  # noqa: S102 - our own guide
        for name in set(scope) - set(vars(module)) - {"annotations"}:
            monkeypatch.setattr(module, name, scope[name], raising=False)
    registry.cache_clear()
    yield set(registry()) - before[1]
    monkeypatch.undo()
    registry.cache_clear()
    assert (feature_set_id(), set(registry())) == before


def test_a_stored_and_a_request_feature_of_the_guide(added, tmp_path) -> None:
    assert added == {"item_spent_14d", "item_spent_share_of_price_14d"}
    shop = Shop([event("anna", "milk", 3, value=6.0), event("bert", "milk", 20)], prices=[price("milk", 2.0, 30)])
    archive = open_shop(shop, tmp_path)
    snapshot, history = known(archive)
    archive.close()
    side = snapshot.item_side
    at = [feature.name for feature in stored_features("item")].index("item_spent_14d")
    assert side.items[side.catalog.rows_of_ids(["milk"])[0], at] == 6
    rows = Rows(np.zeros(1, np.int32), side.catalog.rows_of_ids(["milk"]))
    asking = UserSide(snapshot.user_values[:1], history.of(0), np.array([NOW]))
    assert assemble(["item_spent_share_of_price_14d"], registry(), side, asking, rows).tolist() == [[3.0]]
