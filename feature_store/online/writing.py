"""What both writers do alike: records in packed batches, and the checks that stand between them and the pointer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from feature_store.errors import OnlineStoreError
from feature_store.online.packed import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from feature_store.online.store import UserRecord, Version

SYNC_ONLY = "Fill the store again: `run_pipeline.sh --sync-only`."
_LARGEST_SAMPLE = 500
Packed = tuple[str, bytes]
"""A user and their record as it is kept."""


@dataclass(frozen=True)
class Filled:
    """What a writer has sent: how many users and bytes, and the sample to read back."""

    users: int
    size: int
    sample: tuple[Packed, ...]


def fill(
    version: Version, records: Iterable[tuple[str, UserRecord]], batch: int, send: Callable[[Sequence[Packed]], None]
) -> Filled:
    """Pack every record and `send` it in batches; one batch is held in memory at a time."""
    users = size = 0
    sample: list[Packed] = []
    for packed in _batches(((user, pack(record, version.feature_set)) for user, record in records), batch):
        send(packed)
        users += len(packed)
        size += sum(len(value) for _, value in packed)
        if len(sample) < _LARGEST_SAMPLE:
            sample += {packed[0], packed[-1]}
    return Filled(users, size, tuple(sample))


def _batches(records: Iterator[Packed], size: int) -> Iterator[list[Packed]]:
    while batch := list(islice(records, size)):
        yield batch


def check(place: str, version: Version, filled: Filled, read_back: Sequence[bytes | None]) -> None:
    """Return when the store holds what was sent.

    Raises:
        OnlineStoreError: fewer or more users than the version announces, or a sampled value reads back differently.
    """
    if filled.users != version.users:
        raise OnlineStoreError(
            place,
            expected=f"{version.users} users in version {version.name}",
            found=f"{filled.users}",
            remedy="Readers keep the version before; run the sync stage again.",
        )
    wrong = [user for (user, sent), found in zip(filled.sample, read_back, strict=True) if sent != found]
    if wrong:
        raise OnlineStoreError(
            place,
            expected=f"{len(filled.sample)} sampled records to read back as written",
            found=f"{len(wrong)} missing or different (first: user {wrong[0]})",
            remedy="See whether the store evicts keys (`maxmemory-policy` must be noeviction), then sync again.",
        )
