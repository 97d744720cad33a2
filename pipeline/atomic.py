"""Files and folders that are either whole or not there: written aside, synced, renamed.

A reader never sees half of anything, and a process killed at any moment leaves the last good version.
"""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from pathlib import Path

_ASIDE = ".tmp-"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _aside(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f"{_ASIDE}{target.name}-{uuid.uuid4().hex[:8]}"


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A path to write; when the block ends without an error it becomes `target`."""
    aside = _aside(target)
    try:
        yield aside
        _sync(aside)
        _place(aside, target)
    finally:
        aside.unlink(missing_ok=True)


class FilesAside:
    """Files that are written, by any thread, but not yet where readers look."""

    def __init__(self) -> None:
        self.targets: dict[Path, Path] = {}

    def write(self, target: Path, content: bytes | memoryview) -> None:
        """Have the content on the disk, aside."""
        aside = _aside(target)
        self.targets[aside] = target
        aside.write_bytes(content)
        _sync(aside)

    def place(self, pool: Executor) -> None:
        """Put all in place; each replaces what was there."""
        for _ in pool.map(_place, self.targets, self.targets.values()):
            pass


def _place(aside: Path, target: Path) -> None:
    aside.replace(target)
    _sync(target.parent)


@contextmanager
def atomic_files() -> Iterator[FilesAside]:
    """Files for one `place` at the end: an error before it leaves everything as it was."""
    files = FilesAside()
    try:
        yield files
    finally:
        for aside in files.targets:
            aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill; when the block ends without an error it becomes `target`, replacing what was there."""
    aside = _aside(target)
    aside.mkdir()
    try:
        yield aside
        for path in aside.rglob("*"):
            _sync(path)
        _sync(aside)
        if target.exists():
            old = _aside(target)
            target.rename(old)
            aside.rename(target)
            shutil.rmtree(old)
        else:
            aside.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_folder(target: Path) -> None:
    """Take a folder away in one step: whoever looks finds all of it or nothing."""
    aside = _aside(target)
    target.rename(aside)
    _sync(target.parent)
    shutil.rmtree(aside)


def write_text(target: Path, text: str) -> None:
    """Replace `target` by `text` (UTF-8) in one step."""
    with atomic_file(target) as aside:
        aside.write_text(text, encoding="utf-8")


def sweep(folder: Path, target: str = "*") -> int:
    """Remove what killed writers of `target` left aside below `folder`; only where nobody else writes. How many."""
    left = [path for path in folder.rglob(f"{_ASIDE}{target}-*") if path.exists()]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)
