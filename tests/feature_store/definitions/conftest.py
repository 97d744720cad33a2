"""Plain Python over the rows of the random shop, to compare stored features with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from feature_store.definitions.item import PRIOR_LINES
from tests.feature_store.archive import Row, age

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def last() -> Callable[[list[Row], float], list[Row]]:
    """The rows of the last days."""
    return lambda rows, days: [row for row in rows if age(row) <= days]


@pytest.fixture
def share(shop, last) -> Callable[[list[Row], float], float | None]:
    """Discount as a part of the regular price in the last days, as if two more lines had the whole shop's; None where
    nothing was sold.
    """

    def part(rows: list[Row]) -> float:
        off = sum(row["discount"] for row in rows)
        return off / (off + sum(row["value"] for row in rows))

    def of(rows: list[Row], days: float) -> float | None:
        recent = last(rows, days)
        if not recent:
            return None
        return (len(recent) * part(recent) + PRIOR_LINES * part(last(shop.events, days))) / (len(recent) + PRIOR_LINES)

    return of


@pytest.fixture
def held(shop, last) -> Callable[[list[Row]], float | None]:
    """Share of the shop's baskets of the last 91 days that held one of these lines; None for no line at all."""

    def baskets(rows: list[Row]) -> int:
        return len({row["basket_id"] for row in last(rows, 91)})

    return lambda rows: baskets(rows) / baskets(shop.events)


@pytest.fixture
def agrees(tables) -> Callable[[str, str, dict[str, list[Row]], Callable[[list[Row]], float | None], float], None]:
    """`agrees(key, feature, rows by key, formula, default)`: every value is the formula's, None the default."""

    def check(key: str, name: str, rows: dict[str, list[Row]], formula, default: float) -> None:
        table = tables["category" if key == "category" else key.removesuffix("_id")]
        found = dict(zip(table[key].to_pylist(), table[name].to_pylist(), strict=True))
        assert set(rows) <= set(found)
        assert any(value != default for value in found.values())
        for entity, value in found.items():
            wanted = formula(rows[entity]) if rows.get(entity) else None
            assert value == pytest.approx(default if wanted is None else wanted, rel=2e-7), entity
            assert np.float32(value) == value

    return check
