"""A prefix of a bucket, read like a folder of files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.sources.objectstore.store import ObjectStore


@dataclass(frozen=True)
class ObjectFolder:
    """Each object is fetched once."""

    store: ObjectStore
    prefix: str
    url: str
    fetched: Path
    """A folder of this machine that goes away with the source."""

    def names(self) -> Iterator[str]:
        """Every key below the prefix, relative to it."""
        for key in self.store.keys(self.prefix):
            if not key.endswith("/"):
                yield key.removeprefix(self.prefix)

    def read(self, name: str) -> bytes:
        here = self.fetched / hashlib.sha256(name.encode()).hexdigest()
        if not here.exists():
            here.write_bytes(self.store.get(self.prefix + name))
        return here.read_bytes()

    def shown(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{name}"
