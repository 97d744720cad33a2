"""Object stores: list, get, put, delete, with checksums, retries and time limits. `open_store` reads where from a URL.

`oss://bucket/prefix` is Aliyun OSS, `s3://bucket/prefix` S3 and what speaks like it.
Endpoint and credentials come from the environment only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import ObjectStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PART_BYTES = 16 * 1024 * 1024
"""Larger contents go up in parts of this size; stores want at least 5 MiB (OSS 100 KB) and at most 10,000 parts."""
TIMEOUT_SECONDS = (5.0, 60.0)
"""To connect, and to wait for the next bytes."""
PAGE_KEYS = 1000
"""Names in one page of a list; more than any store gives."""


class ObjectStore(Protocol):
    """One bucket."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order."""

    def get(self, key: str) -> bytes:
        """The content under a key, whole and checked."""

    def put(self, key: str, content: bytes | Path, *, overwrite: bool = False) -> None:
        """Store a content; without `overwrite` another content under the key is an error, the same one is not."""

    def delete(self, key: str) -> None:
        """Take a key away; one that is not there is no error."""


def holds(store: ObjectStore, key: str) -> bool:
    """Whether there is an object under this very key."""
    return key in store.keys(key)


@dataclass(frozen=True)
class Access:
    """How a bucket is reached."""

    bucket: str
    endpoint: str | None
    """None: the store's own."""
    region: str | None = None
    timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS
    part_bytes: int = PART_BYTES
    pause: Callable[[float], None] = time.sleep


def open_store(url: str) -> tuple[ObjectStore, str]:
    """The bucket and the prefix (empty, or ending in `/`) that `url` names.

    Raises:
        ObjectStoreError: no such kind of store, or an environment without endpoint or credentials.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme not in ("oss", "s3") or not bucket:
        raise ObjectStoreError(
            url, expected="oss://bucket/prefix or s3://bucket/prefix", found=url, remedy="Write it so."
        )
    return _store(scheme, bucket), f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def _store(scheme: str, bucket: str) -> ObjectStore:
    if scheme == "oss":
        from pipeline.sources.objectstore.oss import OssStore, oss_access

        return OssStore(oss_access(bucket))
    from pipeline.sources.objectstore.s3 import S3Store
    from pipeline.sources.objectstore.s3_client import s3_access

    return S3Store(s3_access(bucket))
