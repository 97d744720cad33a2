"""A shop that comes as files: CSV, JSON Lines and Parquet, single or by day, whole or broken, local or in a bucket."""

import datetime as dt
import gzip
import json
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from feature_store.schema import MAPPABLE_TABLES
from pipeline.configuration import CONFIG_FOLDER
from pipeline.errors import SourceError
from pipeline.settings import Extract
from pipeline.sources.archive import RAW, read_partition
from pipeline.sources.business import open_source
from pipeline.sources.canonical import arrow_schema
from pipeline.sources.checking import check_source
from pipeline.sources.ledger import open_ledger
from pipeline.stages.extract import extract
from tests.bucket_server import BUCKET
from tests.oss_server import Oss
from tests.pipeline.conftest import DAY
from tests.s3_server import S3

START, END = dt.datetime(2017, 1, 1, tzinfo=dt.UTC), dt.datetime(2018, 2, 1, tzinfo=dt.UTC)
TABLES = ("users", "items", "item_prices", "orders", "order_items")


def exported(shop):
    """The tables of a SQLite shop as lists of rows."""
    with sqlite3.connect(shop) as connection:
        connection.row_factory = sqlite3.Row
        found = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in TABLES}
    connection.close()
    return found


def csv(rows):
    quoted = [[f'"{value}"' if isinstance(value, str) else value for value in row.values()] for row in rows]
    lines = [",".join(rows[0]), *(",".join("" if value is None else str(value) for value in row) for row in quoted)]
    return ("\n".join(lines) + "\n").encode()


def json_lines(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet(rows):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


WRITERS = {"csv": csv, "jsonl": json_lines, "parquet": parquet, "csv.gz": lambda rows: gzip.compress(csv(rows))}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "export"
    path.mkdir()
    return path


@pytest.fixture
def file_settings(settings, folder):
    """`file_settings(change)`: settings whose mapping is the demo's, over the files of `folder`."""

    def make(change=None, files="export"):
        content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
        content["files"] = files
        del content["tables"]["promotions"]  # may be left out
        if change:
            change(content["tables"])
        path = folder.parent / "mapping.yaml"
        path.write_text(yaml.safe_dump(content))
        return settings(source=path)

    return make


def rows(source, name):
    batches = list(source.read(name, START, END))
    table = pa.concat_tables(batches) if batches else arrow_schema(MAPPABLE_TABLES[name]).empty_table()
    return table.sort_by([(column, "ascending") for column in MAPPABLE_TABLES[name].columns])


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", WRITERS)
def test_files_give_the_rows_that_the_database_gives(kind, small_shop, settings, file_settings, folder):
    """Dates become texts and numbers 3.0 or 3 by kind of file; the canonical rows are the same."""
    tables = exported(small_shop)
    tables["order_items"] = tables["order_items"][:5000]
    for name, found in tables.items():
        write(folder, f"{name}.{kind}", WRITERS[kind](found))
    with open_source(settings()) as database, open_source(file_settings()) as files:
        for name in ("users", "items", "prices", "orders"):
            assert rows(files, name).equals(rows(database, name))
            assert files.bounds(name) == database.bounds(name)
            assert sum(len(each) for each in files.scan(name)) == len(rows(database, name))
        assert len(rows(files, "order_items")) == 5000
        assert files.unreadable("orders") == 0


def orders(*numbers, day=1, **more):
    stamp = f"2017-05-{day:02} 12:00:00"
    made = {"household_id": "7", "status": "completed", "created_at": stamp, "updated_at": stamp}
    return [{"basket_id": f"{number:03}", **made, **more} for number in numbers]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("orders/day=2017-05-01/part.csv", "orders/day=2017-05-02/part.jsonl"),
        ("orders-2017-05-01.csv", "orders-2017-05-02.jsonl"),
        ("orders_20170501.csv", "orders_20170502.jsonl"),
        ("orders/2017/05/01.csv", "orders/2017/05/02.jsonl"),
    ],
)
def test_a_table_may_come_a_day_at_a_time(file_settings, folder, first, second):
    write(folder, first, csv(orders(1, 2)))
    write(folder, second, json_lines(orders(2, 3, day=2)))
    write(folder, "orders/_SUCCESS.csv", b"")
    write(folder, "orders/.hidden.csv", b"")
    with open_source(file_settings()) as source:
        assert rows(source, "orders")["order_id"].to_pylist() == ["001", "002", "002", "003"]
        (newest,) = source.scan_keys("orders")
        assert sorted(newest["order_id"].to_pylist()) == ["001", "002", "003"]
        middle = dt.datetime(2017, 5, 2, tzinfo=dt.UTC)
        assert source.has_rows("orders", middle, END)
        assert not source.has_rows("orders", END, END)


def test_joins_expressions_codes_and_constants_work_on_files(file_settings, folder):
    def change(tables):
        tables["orders"]["joins"] = {"state": {"table": "states", "by": {"status": "id"}}}
        tables["orders"]["columns"]["status"] = {"column": "state.name", "values": {"storniert": "cancelled"}}
        tables["orders"]["columns"]["user_id"] = {"expression": "household_id || '%:' || basket_id"}
        tables["orders"]["columns"]["created_at"] = {"constant": dt.date(2017, 5, 1)}

    write(folder, "orders.csv", csv(orders(1, status="2")))
    write(folder, "states.csv", b"id;name\n1;bezahlt\n2;storniert\n")
    with open_source(file_settings(change)) as source:
        (order,) = rows(source, "orders").to_pylist()
    assert (order["status"], order["user_id"]) == ("cancelled", "7%:001")
    assert order["created_at"] == dt.datetime(2017, 5, 1, tzinfo=dt.UTC)


def test_times_may_say_their_zone(file_settings, folder):
    write(folder, "orders.csv", csv(orders(1, updated_at="2017-05-01T14:00:00+02:00")))
    with open_source(file_settings()) as source:
        assert rows(source, "orders")["updated_at"][0].as_py() == dt.datetime(2017, 5, 1, 12, tzinfo=dt.UTC)


GOOD = csv(orders(1, 2, 3))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("orders.csv", GOOD.replace(b'"7"', b'"7",9', 2).replace(b'"7",9', b'"7"', 1), r"orders\.csv: .*at row 3"),
        ("orders.csv", GOOD.replace(b"12:00:00", b"noon", 3), r"orders\.csv, row 2, column `created_at` of `orders`"),
        (
            "orders.csv",
            GOOD.replace(b"completed", b"two\nlines")[:-12] + b'x"\n',
            r"orders\.csv, row 4, column `updated_at`",
        ),
        ("orders.csv", GOOD[:-12] + b'x"\n', r"orders\.csv, row 4, column `updated_at`"),
        ("orders.csv", GOOD.replace(b"completed", b"\xff\xfe", 1), r"orders\.csv: expected UTF-8, .* line 2"),
        (
            "orders.csv",
            GOOD.replace(b"basket_id", b"basketid"),
            r"expected a column `basket_id`.*did you mean basketid",
        ),
        ("orders.csv", GOOD.replace(b"basket_id", b"status"), r"several called status"),
        ("orders.csv", b"", r"orders\.csv: expected a line of column names, found an empty file"),
        ("orders.csv.gz", gzip.compress(GOOD)[:-9], r"orders\.csv\.gz: expected a whole gzip file"),
        ("orders.jsonl", json_lines(orders(1)) + b'{"basket_id": 2\n', r"orders\.jsonl: .*at line 2"),
        ("orders.jsonl", b"[1]\n", r"orders\.jsonl: expected one JSON object a line, found a list at line 1"),
        ("orders.parquet", parquet(orders(1))[:-20], r"orders\.parquet: expected a whole Parquet file"),
        ("orders.parquet", parquet(orders(1, updated_at="soon")), r"orders\.parquet, row 1, column `updated_at`"),
    ],
)
def test_a_broken_file_is_named_with_its_line(file_settings, folder, name, content, told):
    write(folder, name, content)
    with open_source(file_settings()) as source, pytest.raises(SourceError, match=told):
        rows(source, "orders")


def test_an_expression_that_cannot_be_computed_is_told(file_settings, folder):
    write(folder, "orders.csv", GOOD)

    def change(tables):
        tables["orders"]["columns"]["status"] = {"expression": "nosuch + 1"}

    with open_source(file_settings(change)) as source, pytest.raises(SourceError, match="nosuch"):
        rows(source, "orders")


def test_a_missing_folder_and_missing_files_are_told(file_settings, folder):
    write(folder, "order.csv", GOOD)
    with open_source(file_settings()) as source, pytest.raises(SourceError, match=r"did you mean order\?"):
        source.shape("orders")
    with pytest.raises(SourceError, match="expected a folder"), open_source(file_settings(files="nowhere")):
        pass


def test_the_check_looks_at_files_too(file_settings, folder, small_shop):
    for name, found in exported(small_shop).items():
        write(folder, f"{name}.csv", csv(found[:50]))
    found = {(each.table, each.column): each for each in check_source(file_settings())}
    assert not any(each.is_problem for each in found.values())
    assert found["orders", "user_id"].type == "text"


@pytest.fixture(params=["oss", "s3"])
def bucket(request, monkeypatch):
    """A bucket and the URL of its exports."""
    monkeypatch.delenv("OSS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    with (Oss if request.param == "oss" else S3)() as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        yield server, f"{request.param}://{BUCKET}/export"


def test_a_day_is_extracted_from_a_bucket(bucket, file_settings, small_shop):
    server, url = bucket
    for name, found in exported(small_shop).items():
        server.objects[f"export/{name}/part.parquet"] = parquet(found)
    small_shop.unlink()
    settings = file_settings(files=url)
    result = extract(DAY, settings)
    assert result.rows > 0
    assert not small_shop.exists()
    gets = [key for method, key, _ in server.seen if method == "GET" and key]
    assert len(gets) == len(set(gets))
    with open_ledger(settings.workspace.ledger) as ledger:
        assert DAY in ledger.partitions(RAW, "orders")


def archived(settings, name):
    """Every archived row of a table."""
    with open_ledger(settings.workspace.ledger) as ledger:
        known = ledger.partitions(RAW, name)
        return [
            row
            for day, partition in known.items()
            for row in read_partition(settings.workspace, RAW, name, day, partition).to_pylist()
        ]


def test_later_exports_are_merged_compared_and_bring_refunds(file_settings, folder, small_shop):
    """A second extraction finds a new file of refunds, a changed order and one that is gone."""
    tables = exported(small_shop)
    for name, found in tables.items():
        write(folder, f"{name}.parquet", parquet(found))
    stamps = {"created_at": "made", "updated_at": "made"}
    columns = {"refund_id": "id", "order_id": "basket", "amount": "money", **stamps}

    def change(mapped):
        mapped["refunds"] = {"table": "returns", "columns": columns}

    write(folder, "returns-2017-11-05.jsonl", json_lines([{"id": 1, "basket": 7, "money": 2, "made": "2017-11-05"}]))
    settings = file_settings(change).model_copy(update={"extract": Extract(reconcile_every=1)})
    extract(DAY, settings)
    before = archived(settings, "orders")
    assert [refund["amount"] for refund in archived(settings, "refunds")] == [2.0]
    gone, changed = tables["orders"].pop(5), tables["orders"][7]
    changed["status"] = "cancelled"
    write(folder, "orders.parquet", parquet(tables["orders"]))
    write(folder, "returns-2017-11-06.jsonl", json_lines([{"id": 2, "basket": 7, "money": 3, "made": "2017-11-06"}]))
    extract(DAY + dt.timedelta(days=1), settings)
    after = {order["order_id"]: order for order in archived(settings, "orders")}
    assert str(gone["basket_id"]) in {order["order_id"] for order in before}
    assert str(gone["basket_id"]) not in after
    assert after[str(changed["basket_id"])]["status"] == "cancelled"
    assert [refund["amount"] for refund in archived(settings, "refunds")] == [2.0, 3.0]


def test_a_broken_object_is_named_by_its_url(bucket, file_settings):
    server, url = bucket
    server.objects["export/orders.csv"] = GOOD.replace(b"12:00:00", b"noon", 1)
    with (
        open_source(file_settings(files=url)) as source,
        pytest.raises(SourceError, match=f"{url}/orders.csv, row 2"),
    ):
        rows(source, "orders")
