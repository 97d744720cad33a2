"""Packets of MySQL's text protocol, however long their values are and wherever the stream is cut."""

from __future__ import annotations

import io
import itertools

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymysql import err

from pipeline.sources.text_rows import cut, read_packets, text_rows

END = b"\xfe\x00\x00\x02\x00"
LARGEST = 0xFFFFFF


def length(number):
    if number < 251:
        return bytes([number])
    code, width = (0xFC, 2) if number < 1 << 16 else (0xFD, 3) if number < 1 << 24 else (0xFE, 8)
    return bytes([code]) + number.to_bytes(width, "little")


def packets(payload, number=7):
    """One packet, or several where one cannot hold it; one of full length is always followed by another."""
    parts = [payload[at : at + LARGEST] for at in range(0, len(payload) + 1, LARGEST)]
    return b"".join(len(part).to_bytes(3, "little") + bytes([number % 256]) + part for part in parts)


def row(values, number=0):
    texts = [None if value is None else value.encode() for value in values]
    return packets(b"".join(b"\xfb" if text is None else length(len(text)) + text for text in texts), number)


class Stream:
    """Gives what a socket gives: some bytes, at most as many as asked for."""

    def __init__(self, content, sizes):
        self.content, self.sizes = io.BytesIO(content), itertools.cycle(sizes)

    def read1(self, size):
        return self.content.read(min(size, next(self.sizes)))


def read(rows, sizes, columns):
    content, starts = read_packets(Stream(b"".join(map(row, rows, itertools.count(250))) + packets(END), sizes))
    found = [values.to_pylist() for values in cut(content, starts, columns)]
    return list(zip(*found, strict=True))


LIKE_HEADERS = st.sampled_from(["\0\0", "\x05\0\0\x01", "\0" * 9, "a\0\0\0"])
VALUES = LIKE_HEADERS | st.none() | st.text(max_size=6) | st.integers(245, 260).map("x".__mul__) | st.just("ü" * 40_000)


@hypothesis_settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=9), st.lists(st.integers(1, 70_000), min_size=1, max_size=3)
)
def test_rows_come_back_wherever_the_stream_is_cut(rows, sizes):
    if min(sizes) < 100:
        rows = [tuple(value and value[:300] for value in each) for each in rows]
    assert read(rows, sizes, 3) == rows


@pytest.mark.parametrize("size", [LARGEST - 5, LARGEST - 4, LARGEST - 3, LARGEST + 9, 2 * LARGEST])
def test_a_row_of_several_packets_is_one(size):
    """Lengths about the end of a packet: the first makes one that is full, and an empty one must follow."""
    rows = [("before", None), ("x" * size, "end"), ("after", "")]
    found = read(rows, [1 << 22], 2)
    assert [(len(a), b) for a, b in found] == [(len(a), b) for a, b in rows]


def test_a_row_that_begins_like_the_end_is_a_row():
    rows = [("x" * (1 << 24), "a")]
    assert row(rows[0])[4] == END[0]
    assert read(rows, [1 << 20], 2)[0][1] == "a"


def test_a_stream_that_ends_before_the_rows_do_is_told():
    with pytest.raises(EOFError):
        read_packets(Stream(row(["a"]) + row(["b"])[:-1], [4]))


def test_what_the_server_says_instead_of_rows_is_raised():
    killed = b"\xff" + (1317).to_bytes(2, "little") + b"#70100Query execution was interrupted"
    with pytest.raises(err.OperationalError, match="interrupted"):
        read_packets(Stream(row(["a"]) + packets(killed), [4]))


def test_lists_of_values_are_asked_for(mysql_database):
    """Followed rows are asked for by lists of keys, of one column and of several."""
    engine = sa.create_engine(mysql_database, poolclass=sa.pool.NullPool)
    lines = sa.table("order_lines", sa.column("a"), sa.column("b"))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE order_lines (a INT, b TEXT)")
        connection.exec_driver_sql("INSERT INTO order_lines VALUES (1, 'x'), (2, 'y'), (3, 'x')")
        query = sa.select(lines.c.a).where(lines.c.a.in_([1, 3]), sa.tuple_(lines.c.a, lines.c.b).in_([(3, "x")]))
        (found,) = text_rows(connection, query).columns()
    assert found.to_pylist() == ["3"]
