"""One random shop for the tests that only look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from feature_store.snapshot import arrays_of, compute_snapshot
from tests.feature_store.archive import NOW, TODAY, Shop, open_shop, random_shop

if TYPE_CHECKING:
    import pyarrow as pa


@pytest.fixture(scope="package")
def shop() -> Shop:
    return random_shop(seed=1)


@pytest.fixture(scope="package")
def archive(shop, tmp_path_factory):
    opened = open_shop(shop, tmp_path_factory.mktemp("archive"))
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def tables(archive) -> dict[str, pa.Table]:
    """The snapshot of today as tables."""
    return compute_snapshot(archive, TODAY)


@pytest.fixture(scope="package")
def snapshot(tables):
    return arrays_of(tables, NOW)


@pytest.fixture(scope="package")
def history(archive, snapshot):
    """The history of the snapshot's users up to the end of today."""
    return archive.history(snapshot.item_side.catalog, snapshot.users, NOW)
