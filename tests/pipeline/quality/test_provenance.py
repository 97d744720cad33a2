import datetime as dt
import hashlib

import pytest

from pipeline.quality.provenance import changed_since, training_set
from pipeline.workspace import Workspace

FIRST, SECOND = dt.date(2017, 7, 1), dt.date(2017, 7, 2)


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path)
    for table in ("events", "items"):
        for day in (FIRST, SECOND):
            path = made.partition(made.clean, table, day)
            path.parent.mkdir(parents=True)
            path.write_bytes(f"{table} {day}".encode())
    return made


def test_the_list_holds_every_partition_up_to_the_cut_and_none_after_it(workspace):
    found = training_set(workspace.clean, FIRST)
    assert [(each.table, each.day) for each in found.partitions] == [("events", str(FIRST)), ("items", str(FIRST))]
    assert found.partitions[0].sha256 == hashlib.sha256(f"events {FIRST}".encode()).hexdigest()


def test_the_checksum_is_of_what_was_seen_alone(workspace):
    before = training_set(workspace.clean, FIRST)
    workspace.partition(workspace.clean, "events", SECOND).write_bytes(b"later")
    assert training_set(workspace.clean, FIRST) == before
    workspace.partition(workspace.clean, "events", FIRST).write_bytes(b"changed")
    after = training_set(workspace.clean, FIRST)
    assert after.checksum != before.checksum
    assert changed_since(before, after) == ["events/2017-07-01"]


def test_the_checksum_is_the_one_that_evaluation_records(workspace):
    """A line of path and checksum for each file, so that releases of before can be compared."""
    lines = "".join(
        f"{table}/day={FIRST}/part.parquet {hashlib.sha256(f'{table} {FIRST}'.encode()).hexdigest()}\n"
        for table in ("events", "items")
    )
    assert training_set(workspace.clean, FIRST).checksum == hashlib.sha256(lines.encode()).hexdigest()
