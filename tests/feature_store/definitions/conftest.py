"""Plain Python over the rows of the random shop, to compare stored features with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.feature_store.archive import Row, age

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def last() -> Callable[[list[Row], float], list[Row]]:
    """The rows of the last days."""
    return lambda rows, days: [row for row in rows if age(row) <= days]


@pytest.fixture
def share() -> Callable[[list[Row]], float | None]:
    """Discount as a part of the regular price; None where nothing was sold."""

    def of(rows: list[Row]) -> float | None:
        off = sum(row["discount"] for row in rows)
        regular = off + sum(row["value"] for row in rows)
        return off / regular if regular else None

    return of


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
