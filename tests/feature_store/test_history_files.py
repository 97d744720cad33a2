"""Histories written in parts are the whole, to the bit, however they were cut into parts."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_store.errors import ArchiveError
from feature_store.history import empty_history
from feature_store.history_files import HISTORY, in_parts, read_history, write_history
from feature_store.schema import EVENT_KINDS
from tests.feature_store.test_history import EVENTS, SMALL, USERS, built, same


def batches(history, rows: int) -> list[pa.RecordBatch]:
    """What an engine would hand over of it, so many rows at a time."""
    columns = {name: getattr(history, name) for name in ("user", "item", "time", "quantity", "value")}
    return pa.table({**columns, "kind": history.kind.astype("int8")}).to_batches(rows)


@given(EVENTS, st.integers(1, 70), st.none() | st.integers(0, 4), st.integers(0, 2))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_they_are_the_whole_however_they_come(events, rows, most, strangers) -> None:
    whole = built(events, USERS + strangers)
    bounds = None if most is None else dict.fromkeys(EVENT_KINDS[:4], most)
    with TemporaryDirectory() as folder:
        write_history(Path(folder), in_parts(batches(whole, rows), whole.users, bounds))
        read = read_history(Path(folder))
    assert same(read, whole if bounds is None else whole.latest(bounds))


@pytest.mark.parametrize("users", [0, 1, 3])
def test_users_of_whom_nothing_is_told_have_histories_without_events(users, tmp_path) -> None:
    write_history(tmp_path, in_parts([], users))
    assert same(read_history(tmp_path), empty_history(users))


def test_a_history_without_somebody(tmp_path) -> None:
    write_history(tmp_path, (SMALL.between(0, 0), SMALL.between(1, 3)))
    assert read_history(tmp_path).offsets.tolist() == [0, 0, 1]
    assert read_history(tmp_path).item.tolist() == [5]


def test_it_is_read_when_looked_at_and_nobody_can_change_it(tmp_path) -> None:
    write_history(tmp_path, [SMALL])
    history = read_history(tmp_path)
    for name in vars(history):
        assert not getattr(history, name).flags.owndata
        assert not getattr(history, name).flags.writeable


def test_files_that_are_not_there_or_cut_off_are_an_error(tmp_path) -> None:
    with pytest.raises(ArchiveError, match="stage features"):
        read_history(tmp_path)
    write_history(tmp_path, [SMALL])
    file = tmp_path / HISTORY / "time.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArchiveError, match="stage features"):
        read_history(tmp_path)
