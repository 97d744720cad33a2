"""Whatever happens in a shop, in the end the archive says what the shop says.

120 histories on SQLite and 60 on MariaDB; `VITRINE_TEST_HISTORIES=3000` tries as many new ones on each.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.pipeline.sources.histories import HISTORIES, PATIENT, Shop, as_many_as, check

pytestmark = pytest.mark.slow


@pytest.fixture
def live(settings, tmp_path):
    """`live(url, history)`: a shop of its own that lived through a history, extracted and compared in the end."""
    shops = []

    def run(url, history):
        made = settings(
            work_dir=tmp_path / str(len(shops)),
            database_url=url or f"sqlite:///{tmp_path}/{len(shops)}.db",
            evaluation={"horizon_days": 1, "holdout": "preceding"},
            extract={"reconcile_every": 3, "page_rows": 2},
        )
        shop = Shop(made.database_url.get_secret_value(), made)
        shops.append(shop)
        try:
            for operation in history:
                shop.apply(operation)
            shop.finish()
            check(shop)
        finally:
            shop.engine.dispose()

    return run


@PATIENT
@as_many_as(120)
@given(HISTORIES)
def test_the_archive_equals_a_sqlite_shop(live, history):
    live(None, history)


@PATIENT
@as_many_as(60)
@given(HISTORIES)
def test_the_archive_equals_a_mariadb_shop(live, mysql_database, history):
    live(mysql_database, history)
