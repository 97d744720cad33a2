"""Progress bars for people; silent under `--quiet`, with JSON logs and when nobody watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import track as rich_track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
console = Console(stderr=True)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """`items`, with a bar on standard error that says `what` is being done."""
    if console.is_terminal and not console.quiet:
        yield from rich_track(items, description=f"  {what}", total=total, console=console, transient=True)
    else:
        yield from items
