"""The disk is full while days are archived: what was there stays, and the next run goes on."""

from __future__ import annotations

import datetime as dt
import errno
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.sources.ledger import open_ledger
from pipeline.stages.extract import extract
from tests.pipeline.stages.archives import DAY, archive_of

NEXT = DAY + dt.timedelta(days=1)


@pytest.mark.parametrize("written", [0, 1, 3], ids="{} files fit".format)
def test_a_disk_that_is_full_while_archiving_costs_nothing(archive, monkeypatch, written):
    before, write, left = archive_of(archive), Path.write_bytes, [written]
    with open_ledger(archive.workspace.ledger) as ledger:
        entries = len(ledger.extractions("orders"))

    def until_full(path, content):
        left[0] -= 1
        if left[0] < 0:
            write(path, bytes(content)[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", until_full)
        with pytest.raises(StorageError, match="found a full disk"):
            extract(NEXT, archive)
    assert {name: archive_of(archive)[name] for name in before} == before, "whole days of other tables may be there"
    extract(NEXT, archive)
    with open_ledger(archive.workspace.ledger) as ledger:
        assert len(ledger.extractions("orders")) == entries + 1
    assert not list(archive.workspace.raw.rglob(".tmp-*"))
    assert extract(NEXT, archive).rows == 0
