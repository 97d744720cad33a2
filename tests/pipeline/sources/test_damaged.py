"""Damaged files are kept beside the archive, the newest of each, and go when somebody asks to be erased."""

from __future__ import annotations

import datetime as dt

from pipeline.sources.archive import RAW, partition_file
from pipeline.sources.damaged import forget_damaged, set_aside_damaged
from pipeline.sources.ledger import Partition
from pipeline.workspace import Workspace

DAY, LOST = dt.date(2017, 1, 5), dt.date(2017, 1, 6)
KNOWN = {day: Partition(1, "0" * 64) for day in (DAY, LOST)}


def test_the_newest_of_each_is_kept_until_somebody_is_erased(tmp_path):
    workspace = Workspace(tmp_path)
    path = partition_file(workspace, RAW, "orders", DAY)
    path.parent.mkdir(parents=True)
    for content in (b"first", b"second"):
        path.write_bytes(content)
        assert set_aside_damaged(workspace, RAW, "orders", KNOWN) == [DAY, LOST]
        assert path.read_bytes() == content, "it stays until another takes its place"
    kept = [each for each in workspace.damaged.rglob("*") if each.is_file()]
    assert [each.read_bytes() for each in kept] == [b"second"], "of a lost file there is nothing to keep"
    assert forget_damaged(workspace) == 1
    assert not workspace.damaged.exists()
    assert forget_damaged(workspace) == 0
