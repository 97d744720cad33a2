"""Many objects at once: most of a small one's time is spent waiting for the store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
R = TypeVar("R")
_AT_ONCE = 8
"""Requests on their way; fewer than the connections that either library keeps."""


def together(action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What `action` gives for each item, in order; after the first error no further one is begun, and it is raised."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(action, items))
