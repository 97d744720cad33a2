"""What a version takes of Redis, known before anything of it is written: who stays within the budget, and whether they
fit into the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feature_store.errors import OnlineStoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_MB = 1_000_000
_KEY_BYTES = 140
"""Of one key beside its value: the name (40 to 80 characters), its entry in the table, the object."""
_SMALLEST_STEP = 16
_STEPS_PER_DOUBLING = 4
_HEADER = 10
"""What Redis writes around a value."""
_LESS = "keep fewer events (`online_history`) or users (`online_memory_budget_mb`). Readers keep the version they have."
_UNEVEN = 1.05
"""A Cluster's nodes do not hold exactly the same share."""


def bytes_needed(sizes: NDArray[np.integer]) -> int:
    """What records of these `sizes` (users,) take in Redis, whose allocator rounds up to one of four sizes in every
    doubling (jemalloc); measured with Redis 7.0: within 10 % from 128 bytes to 21 kB.
    """
    return int(_bytes_of(sizes).sum())


def rows_within(sizes: NDArray[np.integer], last_seen: NDArray[np.integer], budget_mb: float) -> NDArray[np.intp]:
    """The rows, ascending, of the users whose records keep within the budget together: of all of them those who did
    something last; who did nothing comes last, and of several at one moment the first.

    sizes: (users,) bytes of a record; last_seen: (users,) moment of the latest event
    """
    order = np.argsort(-np.asarray(last_seen, np.int64), kind="stable")
    taken = np.cumsum(_bytes_of(sizes)[order])
    return np.sort(order[: np.searchsorted(taken, budget_mb * _MB, side="right")])


def _bytes_of(sizes: NDArray[np.integer]) -> NDArray[np.float64]:
    """(users,) what each record takes with its key."""
    whole = np.maximum(np.asarray(sizes, np.float64) + _HEADER, _SMALLEST_STEP)
    step = np.maximum(np.exp2(np.floor(np.log2(whole - 1))) / _STEPS_PER_DOUBLING, _SMALLEST_STEP)
    taken: NDArray[np.float64] = np.ceil(whole / step) * step + _KEY_BYTES
    return taken


def require_room(place: str, sizes: NDArray[np.integer], servers: Sequence[Mapping[str, int]]) -> None:
    """Return when a version of records of these `sizes` (users,) fits into `maxmemory`.

    servers: what each primary says of its memory: `used_memory` and `maxmemory`, 0 for no limit

    Raises:
        OnlineStoreError: it does not; the message has the numbers.
    """
    need, nodes = bytes_needed(sizes), len(servers)
    asked = f"{need / _MB:.1f} MB for {len(sizes)} users of {need / max(len(sizes), 1):.0f} bytes"
    share = need / max(nodes, 1) * (_UNEVEN if nodes > 1 else 1)
    for memory in servers:
        free = memory["maxmemory"] - memory["used_memory"]
        if memory["maxmemory"] and share > free:
            on_each = f", {share / _MB:.1f} MB on each of {nodes} nodes" if nodes > 1 else ""
            raise OnlineStoreError(
                place,
                expected=f"room for {asked}{on_each}",
                found=f"{free / _MB:.1f} MB free of {memory['maxmemory'] / _MB:.1f} MB (`maxmemory`)",
                remedy=f"Raise `maxmemory`, wait until the version before the last is gone (an hour), or {_LESS}",
            )
