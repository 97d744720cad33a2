"""What is put into a store: bytes, or a file that is never in memory whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Content = bytes | Path


def size_of(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def whole(content: Content) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content


def parts_of(content: Content, size: int) -> Iterator[bytes]:
    """Pieces of `size` bytes, the last one perhaps smaller."""
    if isinstance(content, bytes):
        yield from (content[start : start + size] for start in range(0, len(content), size))
        return
    with content.open("rb") as file:
        while part := file.read(size):
            yield part
