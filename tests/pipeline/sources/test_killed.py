"""An extraction that writes over days of the archive is killed meanwhile, and the next one mends all."""

from __future__ import annotations

import shutil
from itertools import groupby

import pytest

from pipeline.stages.extract import extract
from tests.pipeline.sources.histories import IN_TRANSACTION, NEW_FILE, OVERWRITE, Shop, run_killed

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(settings, tmp_path):
    """The next extraction merges what came late, mends a damaged day, compares and repairs what changed in place."""
    made = settings(
        database_url=f"sqlite:///{tmp_path}/shop.db",
        evaluation={"horizon_days": 1, "holdout": "preceding"},
        extract={"reconcile_every": 2, "lag_minutes": 60 * 24},
    )
    shop = Shop(made.database_url.get_secret_value(), made)
    for number, hours in ((1, -30), (2, 0)):
        shop.apply(("insert", number, hours))
    extract(shop.day, made)
    shop.apply(("insert", 3, 0))  # of the day that is archived
    shop.apply(("update in place", 1, "cancelled"))
    shop.apply(("clock", 24, None))
    shop.apply(("insert", 4, 0))
    shop.apply(("damage", 0, False))
    yield shop
    shop.engine.dispose()


def test_a_run_killed_while_it_writes_over_days_is_mended_by_the_next(shop, tmp_path):
    work, before = shop.settings.work_dir, tmp_path / "before"
    shutil.copytree(work, before)
    steps = run_killed(shop.day, shop.settings, 0)
    points = around_overwrites(steps)
    assert {steps[point - 1] for point in points} >= {OVERWRITE, IN_TRANSACTION}
    assert len(points) >= 6, "merged, mended and repaired days"
    for point in points:
        shutil.rmtree(work)
        shutil.copytree(before, work)
        assert len(run_killed(shop.day, shop.settings, point)) == point, "it died"
        extract(shop.day, shop.settings)
        for name in ("orders", "order_items"):
            assert shop.damaged(name) == []
            assert shop.archived_rows(name) == shop.source_rows(name)


def around_overwrites(steps):
    """Before the first and the last file of each run that writes over some, and of the transaction that follows."""
    kinds = ["files" if step in {OVERWRITE, NEW_FILE} else step for step in steps]
    runs = [(kind, list(points)) for kind, points in groupby(range(1, len(steps) + 1), lambda point: kinds[point - 1])]
    found = set()
    for at, (kind, points) in enumerate(runs):
        if kind == "files" and OVERWRITE in steps[points[0] - 1 : points[-1]]:
            transaction = next(later for other, later in runs[at:] if other == IN_TRANSACTION)
            found |= {points[0], points[-1], transaction[0], transaction[-1]}
    return sorted(found)
