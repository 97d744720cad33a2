"""A work folder of a few rows: an archive of three days with its ledger, and releases that nobody could serve."""

import dataclasses
import datetime as dt

import pyarrow as pa

from pipeline.configuration import load_settings
from pipeline.recommender.release import point_to, write_decision
from pipeline.sources.archive import CLEAN, RAW, read_partition, write_partitions
from pipeline.sources.forgotten import ORDER, USER, VISITOR, Forgotten
from pipeline.sources.ledger import open_ledger
from pipeline.sources.rewriting import archived_tables
from pipeline.sources.watermark import move_watermark
from tests.bucket_server import BUCKET
from tests.pipeline.recommender.releases import defaults, publish, release
from tests.pipeline.recommender.shop import catalog

DAYS = tuple(dt.date(2017, 11, day) for day in (3, 4, 5))
USERS = ("anna", "bert")


def order(user, day):
    return f"{user}-{day:%d}"


def settings_of(work_dir, scheme="s3"):
    """Of a work folder whose copies go to a bucket of OSS or S3."""
    return load_settings(
        arguments={
            "work_dir": work_dir,
            "archive_url": f"{scheme}://{BUCKET}/archive",
            "releases_url": f"{scheme}://{BUCKET}/releases",
        }
    )


def fill_archive(settings):
    """Raw and clean orders with their lines, raw visits: one row a day of each of two users; a tombstone, a receipt."""
    with open_ledger(settings.workspace.ledger) as ledger:
        Forgotten(ledger)  # makes the salt
        for layer, name in ((RAW, "orders"), (CLEAN, "orders"), (RAW, "order_items"), (RAW, "matomo_visits")):
            write(ledger, settings, layer, name, {day: rows(name, day) for day in DAYS})
        with ledger.transaction():
            move_watermark(ledger, "shop", "orders", dt.datetime(2017, 11, 6, tzinfo=dt.UTC))
            ledger.bury("orders", [{"order_id": order(user, DAYS[0]), "user_id": user} for user in USERS])
    settings.workspace.receipts.mkdir()
    (settings.workspace.receipts / f"forget-{'0' * 32}.json").write_text("[]\n")


def rows(name, day):
    columns = {
        "orders": {"order_id": [order(user, day) for user in USERS], "user_id": list(USERS)},
        "order_items": {"order_id": [order(user, day) for user in USERS]},
        "matomo_visits": {"visitor_id": [f"visitor of {user}" for user in USERS], "user_id": [None, None]},
    }[name]
    return pa.table({column: pa.array(values, pa.string()) for column, values in columns.items()})


def write(ledger, settings, layer, name, tables):
    written = write_partitions(settings.workspace, layer, name, tables.items())
    with ledger.transaction():
        ledger.record_partitions(layer, name, written)


def shorten(settings, day):
    """Take the first row out of a day's raw orders, as a run would that found it gone."""
    with open_ledger(settings.workspace.ledger) as ledger:
        known = ledger.partitions(RAW, "orders")[day]
        left = read_partition(settings.workspace, RAW, "orders", day, known).slice(1)
        write(ledger, settings, RAW, "orders", {day: left})


def mark_forgotten(settings, user):
    """What `vitrine forget` enters first."""
    with open_ledger(settings.workspace.ledger) as ledger:
        forgotten = Forgotten(ledger)
        forgotten.add(USER, [user])
        forgotten.add(ORDER, [order(user, day) for day in DAYS])
        forgotten.add(VISITOR, [f"visitor of {user}"])
        with ledger.transaction():
            forgotten.record(ledger)


def add_release(settings, day, *, promoted=True):
    """Publish a release of a day with the gate's word, and point to it where it may be used; its folder."""
    made = release(defaults(catalog(["a", "b"])), {}, {})
    made = dataclasses.replace(made, manifest=made.manifest.model_copy(update={"day": str(day)}))
    settings.releases.mkdir(parents=True, exist_ok=True)
    folder = publish(settings.releases, made, b"no model")
    write_decision(folder, {"promoted": promoted, "champion": None, "findings": []})
    if promoted:
        point_to(settings.releases, folder.name)
    return folder


def archived(settings):
    """Every row of the archive, by layer and table."""
    with open_ledger(settings.workspace.ledger) as ledger:
        return {
            (layer, name): [
                row
                for day, each in ledger.partitions(layer, name).items()
                for row in read_partition(settings.workspace, layer, name, day, each).to_pylist()
            ]
            for layer, name in archived_tables(ledger)
        }
