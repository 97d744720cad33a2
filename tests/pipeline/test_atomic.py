"""Files and folders are whole or not there."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from pipeline.atomic import atomic_file, atomic_files, atomic_folder, sweep, write_text


class InterruptedWriteError(Exception):
    """Stands for whatever may stop a writer."""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_the_block_ends(tmp_path):
    with atomic_file(tmp_path / "deep" / "a.txt") as aside:
        aside.write_text("new")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "new"
    assert names(tmp_path / "deep") == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_aside(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with contextlib.suppress(InterruptedWriteError), atomic_file(tmp_path / "a.txt") as aside:
        aside.write_text("half")
        raise InterruptedWriteError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_files_take_their_places_together(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with atomic_files() as files, ThreadPoolExecutor(1) as pool:
        files.write(tmp_path / "a.txt", b"new")
        files.write(tmp_path / "b.txt", b"new")
        assert (tmp_path / "a.txt").read_text() == "old"
        files.place(pool)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "new", "b.txt": "new"}


def test_files_that_never_took_their_places_are_gone(tmp_path):
    with atomic_files() as files:
        files.write(tmp_path / "a.txt", b"new")
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == []


def test_a_folder_replaces_the_old_one_whole(tmp_path):
    for content in ("one", "two"):
        with atomic_folder(tmp_path / "day") as aside:
            (aside / content).write_text(content)
    assert names(tmp_path / "day") == ["two"]
    assert names(tmp_path) == ["day"]


def test_an_error_leaves_the_old_folder(tmp_path):
    with atomic_folder(tmp_path / "day") as aside:
        (aside / "good").write_text("good")
    with contextlib.suppress(InterruptedWriteError), atomic_folder(tmp_path / "day") as aside:
        (aside / "half").write_text("half")
        raise InterruptedWriteError
    assert names(tmp_path / "day") == ["good"]


def test_sweep_removes_what_killed_runs_left(tmp_path):
    (tmp_path / "x" / ".tmp-day-1").mkdir(parents=True)
    (tmp_path / "x" / ".tmp-day-1" / "part").write_text("half")
    (tmp_path / ".tmp-file-2").write_text("half")
    (tmp_path / "kept").write_text("whole")
    assert sweep(tmp_path) == 2
    assert names(tmp_path) == ["kept", "x"]
    assert names(tmp_path / "x") == []


def test_sweep_of_one_target_leaves_the_others(tmp_path):
    for name in (".tmp-day=1-a", ".tmp-day=2-b"):
        (tmp_path / name).mkdir()
    assert sweep(tmp_path, "day=1") == 1
    assert names(tmp_path) == [".tmp-day=2-b"]
