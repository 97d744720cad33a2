import datetime as dt
from decimal import Decimal

import pytest

from feature_store.schema import Column
from pipeline.errors import SourceError
from pipeline.sources.canonical import canonical_column

NOON = dt.datetime(2017, 7, 1, 12, tzinfo=dt.UTC)
NAIVE_NOON = NOON.replace(tzinfo=None)


def read(values, kind, zone="UTC"):
    return canonical_column(values, Column(kind), zone, "table `t`, column `c`").to_pylist()


@pytest.mark.parametrize(
    "value",
    [
        "2017-07-01 12:00:00",
        "2017-07-01 12:00:00.000000",
        "2017-07-01T12:00:00",
        "2017-07-01T12:00:00Z",
        "2017-07-01 14:00:00.000+02:00",
        NAIVE_NOON,
        NOON,
        dt.datetime(2017, 7, 1, 14, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    ],
)
def test_a_time_is_utc_however_a_driver_gives_it(value):
    assert read([value], "time") == [NOON]


def test_an_offset_counts_even_where_arrow_was_told_to_ignore_it(monkeypatch):
    """Importing Pandera sets this variable, and Arrow reads it."""
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", "1")
    assert read([None, NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))], "time") == [None, NOON]


def test_times_without_a_zone_are_of_the_mapping_s_zone():
    assert read(["2017-07-01 14:00:00"], "time", "Europe/Paris") == [NOON]
    assert read(["2017-01-01 13:00:00"], "time", "Europe/Paris") == [dt.datetime(2017, 1, 1, 12, tzinfo=dt.UTC)]


def test_the_hour_that_a_clock_shows_twice_is_the_first_one():
    assert read(["2017-10-29 02:30:00"], "time", "Europe/Paris") == [dt.datetime(2017, 10, 29, 0, 30, tzinfo=dt.UTC)]


def test_mysql_s_zero_date_is_no_date():
    assert read([NAIVE_NOON, "0000-00-00 00:00:00"], "time") == [NOON, None]


def test_a_date_is_its_midnight():
    assert read([dt.date(2017, 7, 1)], "time") == [NOON.replace(hour=0)]


def test_ids_are_text_and_never_end_in_point_zero():
    assert read([12, None], "text") == ["12", None]
    assert read([12.0, None], "text") == ["12", None]
    assert read([b"a1"], "text") == ["a1"]


def test_money_is_real_whatever_the_database_has():
    assert read([Decimal("1.20"), Decimal(33)], "real") == [1.2, 33.0]
    assert read([1, 2.5, "3"], "real") == [1.0, 2.5, 3.0]


def test_a_decimal_becomes_the_nearest_float():
    cents = [Decimal(n) / 10_000 for n in range(100_000)]
    assert read(cents, "real") == [float(value) for value in cents]


def test_nothing_is_nothing_in_every_type():
    assert read([None], "time") == read([None], "real") == read([None], "text") == [None]


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["a lot"], "real"), ([2.5], "integer"), ([1_498_910_400], "time"), (["yesterday"], "time")],
)
def test_a_value_of_another_kind_is_an_error_that_names_the_column(values, kind):
    with pytest.raises(SourceError, match=f"column `c`: expected values of type {kind}"):
        read(values, kind)
