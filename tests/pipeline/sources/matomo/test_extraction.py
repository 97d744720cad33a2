import datetime as dt
import errno
from pathlib import Path

import pytest

from pipeline.sources.intake import MEND
from pipeline.sources.ledger import open_ledger
from pipeline.sources.matomo.day import take_day
from pipeline.sources.matomo.tables import MATOMO_TABLES
from pipeline.sources.watermark import watermark
from tests.pipeline.sources.matomo.installation import DAY, SKU, archived, at, visitor

NEXT, LATER = DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=5)


@pytest.fixture
def workspace(settings):
    return settings().workspace


def told(workspace, name="matomo_events"):
    return [(row["kind"], row["item_id"], row["time"].day) for row in archived(workspace, name)]


def fingerprints(workspace):
    return {path: path.read_bytes() for path in sorted(workspace.raw.rglob("*.parquet"))}


def test_reading_again_changes_nothing(matomo, workspace):
    visit = matomo.visit(user="u")
    matomo.view(visit, "A")
    matomo.cart(visit, {"A": (1, 1.0)})
    matomo.extract(workspace)
    before = fingerprints(workspace)
    matomo.extract(workspace)
    assert fingerprints(workspace) == before
    assert len(archived(workspace)) == 2


def test_a_cart_that_became_an_order_is_no_cart_any_more(matomo, workspace):
    """The primary key changes; a cursor on time would keep the cart for ever."""
    visit = matomo.visit("23:30", "23:50")
    matomo.cart(visit, {"A": (1, 1.0), "B": (2, 1.0)}, "23:50")
    matomo.extract(workspace)
    assert told(workspace) == [("cart", "A", 2), ("cart", "B", 2)]
    matomo.buy(visit, "1001", "00:10", NEXT)
    matomo.run("UPDATE {p}log_visit SET visit_last_action_time = ?", at("00:10", NEXT))
    matomo.extract(workspace, NEXT)
    assert told(workspace) == [("purchase", "A", 3), ("purchase", "B", 3)]
    assert [row["kind"] for row in archived(workspace, "matomo_baskets")] == ["order"]


def test_a_login_after_midnight_names_yesterdays_part_of_the_visit_too(matomo, workspace):
    """However long ago the visit began: it is read again from its first action on."""
    visit = matomo.visit("20:00", "23:59", who="device")
    matomo.view(visit, "A", "20:00", who="device")
    matomo.extract(workspace)
    assert archived(workspace)[0]["user_id"] is None
    matomo.run("UPDATE {p}log_visit SET user_id = 'anna', visit_last_action_time = ?", at("00:05", LATER))
    matomo.view(visit, "B", "00:05", day=LATER)
    matomo.extract(workspace, LATER)
    assert [(row["item_id"], row["user_id"]) for row in archived(workspace)] == [("A", "anna"), ("B", "anna")]


def test_late_rows_with_an_old_time_are_found_by_their_id(matomo, workspace):
    """QueuedTracking, log imports and `cdt` write old times under new ids."""
    old = matomo.visit()
    matomo.view(old, "A")
    matomo.view(matomo.visit(day=LATER), "B", day=LATER)
    matomo.extract(workspace, LATER)
    matomo.view(old, "C", "10:00")
    matomo.extract(workspace, LATER)
    assert [item for _, item, _ in told(workspace)] == ["A", "C", "B"]


def test_a_late_commit_under_a_smaller_id_is_found(matomo, workspace):
    """Auto-increment order is not commit order."""
    visit = matomo.visit()
    matomo.view(visit, "A", idlink_va=10)
    matomo.view(matomo.visit(day=LATER), "B", day=LATER, idlink_va=20)
    matomo.extract(workspace, LATER)
    matomo.view(visit, "C", "10:00", idlink_va=15)
    matomo.extract(workspace, LATER)
    assert [item for _, item, _ in told(workspace)] == ["A", "C", "B"]


def test_a_back_dated_visit_with_nothing_but_an_order_is_found(matomo, workspace):
    """An ecommerce request makes no action row."""
    matomo.view(matomo.visit(day=LATER), "B", day=LATER)
    matomo.extract(workspace, LATER)
    matomo.order(matomo.visit("10:00"), "1001", {"A": (1, 1.0)}, "10:00")
    matomo.extract(workspace, LATER)
    assert ("purchase", "A", 2) in told(workspace)


def test_an_earlier_days_run_loses_no_late_rows(matomo, workspace):
    visit = matomo.visit()
    matomo.view(visit, "A")
    matomo.view(matomo.visit(day=LATER), "B", day=LATER)
    matomo.extract(workspace, LATER)
    matomo.view(visit, "C", "11:00")
    matomo.view(visit, "D", "11:00", day=NEXT)
    matomo.extract(workspace, DAY)
    matomo.extract(workspace, LATER)
    assert {item for _, item, _ in told(workspace)} == {"A", "B", "C", "D"}


def test_rows_erased_in_the_overlap_vanish(matomo, workspace):
    visit = matomo.visit()
    matomo.view(visit, "A")
    matomo.view(visit, "B", "09:01")
    matomo.extract(workspace)
    matomo.run("DELETE FROM {p}log_link_visit_action WHERE idaction_product_sku = ?", matomo.action_id("B", SKU))
    matomo.extract(workspace)
    assert [item for _, item, _ in told(workspace)] == ["A"]


def test_a_damaged_partition_is_named_kept_and_read_again(matomo, workspace, caplog):
    matomo.view(matomo.visit(), "A")
    matomo.view(matomo.visit(day=LATER), "B", day=LATER)
    matomo.extract(workspace, LATER)
    before = fingerprints(workspace)
    path = workspace.raw / "matomo_events" / f"day={DAY}" / "part.parquet"
    path.write_bytes(b"damaged")
    matomo.extract(workspace, LATER)
    assert fingerprints(workspace) == before
    (told,) = [each for each in caplog.records if each.message == "damaged partition, making it again"]
    assert told.file == str(path)
    assert Path(told.kept).read_bytes() == b"damaged"


@pytest.mark.parametrize("fit", [0, 1, 3], ids="{} files fit".format)
def test_a_disk_that_is_full_while_archiving_costs_nothing(matomo, workspace, monkeypatch, fit):
    visit = matomo.visit(user="u")
    matomo.view(visit, "A")
    matomo.extract(workspace)
    archive, reached = told(workspace), watermarks(workspace)
    matomo.view(matomo.visit(day=NEXT), "B", day=NEXT)
    write, left = Path.write_bytes, [fit]

    def until_full(path, content):
        left[0] -= 1
        if left[0] < 0:
            write(path, bytes(content)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", until_full)
        with pytest.raises(OSError, match="No space left"):
            matomo.extract(workspace, NEXT)
    assert (told(workspace), watermarks(workspace)) == (archive, reached)
    matomo.extract(workspace, NEXT)
    assert told(workspace) == [*archive, ("view", "B", NEXT.day)]
    assert not list(workspace.raw.rglob(".tmp-*"))


def test_rows_after_the_last_day_wait_for_their_run(matomo, workspace):
    matomo.view(matomo.visit(), "A")
    matomo.view(matomo.visit(day=NEXT), "B", day=NEXT)
    matomo.extract(workspace, DAY)
    assert told(workspace) == [("view", "A", 2)]
    matomo.extract(workspace, NEXT)
    assert told(workspace) == [("view", "A", 2), ("view", "B", 3)]


def test_an_empty_matomo_is_nothing_to_read(matomo, workspace):
    assert sum(matomo.extract(workspace).values()) == 0


def test_a_visit_without_its_plugin_columns_is_followed_by_time(install, workspace):
    matomo = install(with_plugins=False)
    visit = matomo.visit("23:50")
    matomo.cart(visit, {"A": (1, 1.0)}, "23:50")
    matomo.extract(workspace)
    matomo.buy(visit, "1001", "00:10", NEXT)
    matomo.run("UPDATE {p}log_visit SET visit_last_action_time = ?, idvisitor = ?", at("00:10", NEXT), visitor("u"))
    matomo.extract(workspace, NEXT)
    assert told(workspace) == [("purchase", "A", 3)]


def test_a_backfill_replaces_its_days_and_moves_no_watermark(matomo, workspace):
    first = matomo.visit()
    matomo.view(first, "A")
    matomo.view(matomo.visit(day=NEXT), "B", day=NEXT)
    matomo.view(matomo.visit(day=LATER), "C", day=LATER)
    matomo.extract(workspace, LATER)
    for day in (DAY, NEXT):
        matomo.run("UPDATE {p}log_link_visit_action SET product_price = 9 WHERE server_time LIKE ?", f"{day}%")
    matomo.view(first, "D", "10:00")
    before, reached = fingerprints(workspace), watermarks(workspace)
    taken = matomo.backfill(workspace)
    changed = [path for path, content in fingerprints(workspace).items() if before[path] != content]
    assert changed == [workspace.raw / "matomo_events" / f"day={DAY}" / "part.parquet"]
    events = taken["matomo_events"]
    assert (events.rows, events.inserted, events.updated, events.deleted) == (2, 1, 1, 0)
    assert list(events.written) == [DAY]
    assert taken["matomo_visits"].written == {}
    assert watermarks(workspace) == reached
    with open_ledger(workspace.ledger) as ledger:
        assert [entry.kind for entry in ledger.extractions("matomo_events")][-1] == "backfill"
    assert matomo.reconcile(workspace) == [NEXT], "which was not asked for, and differs"
    assert matomo.reconcile(workspace) == []


@pytest.fixture
def two_sites(install, workspace):
    """Both with a day of long ago and one of now; the first alone is read."""
    matomo = install(sites=(1, 2))
    for site in matomo.sites:
        for day in (DAY, LATER):
            matomo.view(matomo.visit(day=day, site=site), f"S{site}", day=day, site=site)
    matomo.extract(workspace, LATER, sites=(1,), overlap_ids=0, overlap_visits=0)
    return matomo


def test_a_site_that_joins_later_is_read_from_its_own_beginning(two_sites, workspace):
    assert [item for _, item, _ in told(workspace)] == ["S1", "S1"]
    two_sites.extract(workspace, LATER, overlap_ids=0, overlap_visits=0)
    assert sorted(told(workspace)) == [("view", f"S{site}", day.day) for site in (1, 2) for day in (DAY, LATER)]
    with open_ledger(workspace.ledger) as ledger:
        assert ledger.extractions("matomo_events")[-1].note == "read from its beginning: site 2"
    assert two_sites.reconcile(workspace) == []


def test_a_new_site_of_which_a_killed_run_read_some_days_begins_again(two_sites, workspace):
    with two_sites.open() as source, open_ledger(workspace.ledger) as ledger:
        take_day(source, ledger, workspace, LATER, LATER, MEND)
    two_sites.extract(workspace, LATER, overlap_ids=0, overlap_visits=0)
    assert len(told(workspace)) == 4


def test_a_site_that_left_and_came_back_is_read_from_its_own_beginning(two_sites, workspace):
    two_sites.extract(workspace, LATER)
    two_sites.extract(workspace, LATER, sites=(1,))
    two_sites.backfill(workspace, sites=(1,))
    assert ("view", "S2", DAY.day) not in told(workspace)
    two_sites.extract(workspace, LATER, overlap_ids=0, overlap_visits=0)
    assert len(told(workspace)) == 4


def watermarks(workspace):
    with open_ledger(workspace.ledger) as ledger:
        return [watermark(ledger, "matomo", name) for name in MATOMO_TABLES]
