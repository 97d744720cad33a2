"""Object stores: list, get, put, delete, with checksums, retries and time limits. Aliyun OSS through oss2.

`oss://bucket/prefix` says where; OSS_ENDPOINT, OSS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and
OSS_SESSION_TOKEN come from the environment only. With a region requests carry V4 signatures, without one V1.
"""

from __future__ import annotations

import functools
import hashlib
import os
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.errors import ObjectStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5
PART_BYTES = 16 * 1024 * 1024
"""Larger contents go up in parts of this size; OSS wants at least 100 KB and at most 10,000 parts."""
PAGE_KEYS = 1000
TIMEOUT_SECONDS = (5.0, 60.0)
"""To connect, and to wait for the next bytes."""
_SERVER_ERROR, _TOO_MANY, _CONFLICT, _NOT_FOUND = 500, 429, 409, 404
_FORBID = "x-oss-forbid-overwrite"
_ENDPOINT_REGION = re.compile(r"oss-(?!accelerate)([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")


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


@dataclass(frozen=True)
class Access:
    """How a bucket is reached."""

    bucket: str
    endpoint: str
    region: str | None = None
    timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS
    part_bytes: int = PART_BYTES
    pause: Callable[[float], None] = time.sleep


def open_store(url: str) -> tuple[ObjectStore, str]:
    """The bucket and the prefix (empty, or ending in `/`) of `oss://bucket/prefix`.

    Raises:
        ObjectStoreError: no such kind of store, no oss2, or an environment without endpoint or credentials.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "oss" or not bucket:
        raise ObjectStoreError(url, expected="oss://bucket/prefix", found=url, remedy="Write it so.")
    names = ("OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise ObjectStoreError(
            url,
            expected=f"the variables {', '.join(names)}",
            found=f"no {', '.join(missing)}",
            remedy="Set them in the environment of the process; they belong into no file of the repository.",
        )
    endpoint = os.environ["OSS_ENDPOINT"]
    named = _ENDPOINT_REGION.search(endpoint)
    region = os.environ.get("OSS_REGION") or (named[1] if named else None)
    return OssStore(Access(bucket, endpoint, region)), f"{prefix.strip('/')}/" if prefix.strip("/") else ""


class OssStore:
    """A bucket of Aliyun OSS."""

    def __init__(self, access: Access) -> None:
        self.access = access
        try:
            import oss2
            from oss2.credentials import EnvironmentVariableCredentialsProvider
        except ModuleNotFoundError as error:
            raise ObjectStoreError(
                f"oss://{access.bucket}",
                expected="the package oss2",
                found=str(error),
                remedy="Install requirements/pipeline.txt: it holds oss2.",
            ) from error
        self._oss2: Any = oss2  # the package has no types
        credentials = EnvironmentVariableCredentialsProvider()
        auth = oss2.ProviderAuthV4(credentials) if access.region else oss2.ProviderAuth(credentials)
        try:
            self._bucket: Any = oss2.Bucket(
                auth, access.endpoint, access.bucket, connect_timeout=access.timeout_seconds, region=access.region
            )
        except oss2.exceptions.ClientError as error:
            raise ObjectStoreError(
                f"oss://{access.bucket} at {access.endpoint}",
                expected="a bucket and an endpoint",
                found=error.body,
                remedy="Check the URL and OSS_ENDPOINT.",
            ) from None

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order.

        Raises:
            ObjectStoreError: the store cannot be reached or refuses.
        """
        token = ""
        while True:
            page = self._tried(prefix, functools.partial(self._page, prefix, token))
            yield from (entry.key for entry in page.object_list)
            if not page.is_truncated:
                return
            token = page.next_continuation_token

    def get(self, key: str) -> bytes:
        """The content under a key: of the length and with the checksum that the store says.

        Raises:
            ObjectStoreError: there is none, the store cannot be reached, or the content stays damaged.
        """
        return self._tried(key, lambda: self._get(key))

    def put(self, key: str, content: bytes | Path, *, overwrite: bool = False) -> None:
        """Store a content, in parts when it is large; the store's checksum must equal ours.

        Raises:
            ObjectStoreError: another content is there already, or the store cannot be reached or refuses.
        """
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        headers = {} if overwrite else {_FORBID: "true"}
        try:
            if size > self.access.part_bytes:
                self._put_parts(key, content, headers)
            else:
                data = content.read_bytes() if isinstance(content, Path) else content
                self._tried(key, lambda: self._sound(key, lambda: self._bucket.put_object(key, data, headers=headers)))
        except _RefusedError as error:
            # A lost answer makes a second try meet what the first one stored.
            if error.status not in {_CONFLICT, _NOT_FOUND} or not self._holds(key, content, size):
                raise error.told from None

    def delete(self, key: str) -> None:
        """Take a key away."""
        self._tried(key, lambda: self._bucket.delete_object(key))

    def _page(self, prefix: str, token: str) -> Any:  # noqa: ANN401 -- oss2's own
        return self._bucket.list_objects_v2(prefix=prefix, continuation_token=token, max_keys=PAGE_KEYS)

    def _get(self, key: str) -> bytes:
        found = self._bucket.get_object(key)
        content: bytes = found.read()
        if found.content_length is not None and len(content) != found.content_length:
            raise self._oss2.exceptions.InconsistentError(f"{len(content)} of {found.content_length} bytes")
        self._oss2.utils.check_crc("get", found.client_crc, found.server_crc, found.request_id)
        return content

    def _put_parts(self, key: str, content: bytes | Path, headers: dict[str, str]) -> None:
        upload = self._tried(key, lambda: self._bucket.init_multipart_upload(key, headers=headers)).upload_id
        try:
            parts = [
                self._put_part(key, upload, number, part)
                for number, part in enumerate(_parts(content, self.access.part_bytes), 1)
            ]
            done = functools.partial(self._bucket.complete_multipart_upload, key, upload, parts, headers=headers)
            self._tried(key, lambda: self._sound(key, done))
        except ObjectStoreError:
            self._give_up(key, upload)
            raise

    def _sound(self, key: str, put: Callable[[], T]) -> T:
        """What a store took with another checksum than ours is damaged and would be in the way of the next try."""
        try:
            return put()
        except self._oss2.exceptions.InconsistentError:
            self._bucket.delete_object(key)
            raise

    def _put_part(self, key: str, upload: str, number: int, part: bytes) -> Any:  # noqa: ANN401 -- oss2's own
        done = self._tried(key, lambda: self._bucket.upload_part(key, upload, number, part))
        return self._oss2.models.PartInfo(number, done.etag, size=len(part), part_crc=done.crc)

    def _give_up(self, key: str, upload: str) -> None:
        """Parts that nobody completes cost money; the error that led here counts, not this one."""
        try:
            self._bucket.abort_multipart_upload(key, upload)
        except self._oss2.exceptions.OssError:
            return

    def _holds(self, key: str, content: bytes | Path, size: int) -> bool:
        """Whether the store has this very content under the key."""
        try:
            head = self._tried(key, lambda: self._bucket.head_object(key))
        except ObjectStoreError:
            return False
        crc = self._oss2.utils.Crc64()
        for part in _parts(content, self.access.part_bytes):
            crc.update(part)
        return bool(head.content_length == size and head.server_crc == crc.crc)

    def _tried(self, key: str, action: Callable[[], T]) -> T:
        """The answer, at the latest of `ATTEMPTS` tries; refusals are not tried again."""
        import requests

        troubles = (self._oss2.exceptions.OssError, requests.RequestException)
        for attempt in range(ATTEMPTS):
            try:
                return action()
            except troubles as error:
                status = getattr(error, "status", 0)
                if 0 < status < _SERVER_ERROR and status != _TOO_MANY:
                    raise _RefusedError(status, self._told(key, error)) from None
                if attempt == ATTEMPTS - 1:
                    raise self._told(key, error) from None
                self.access.pause(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 -- spreads retries
        raise AssertionError

    def _told(self, key: str, error: Exception) -> ObjectStoreError:
        """What happened without signatures and headers, which the full answer repeats."""
        code, message = getattr(error, "code", ""), getattr(error, "message", "")
        found = f"{error.status} {code}: {message}" if code else str(getattr(error, "body", "") or error)  # type: ignore[attr-defined] # oss2's errors have one
        request = getattr(error, "request_id", "")
        return ObjectStoreError(
            f"oss://{self.access.bucket}/{key} at {self.access.endpoint}",
            expected="an answer",
            found=found + (f" (request {request})" if request else ""),
            remedy=_REMEDIES.get(code, "Check endpoint, region, credentials, the bucket's policy and the network."),
        )


_REMEDIES = {
    "FileAlreadyExists": "Another content has this name already: delete it, or use another prefix.",
    "SignatureDoesNotMatch": "Check OSS_ACCESS_KEY_SECRET and OSS_REGION, and the machine's clock.",
    "InvalidAccessKeyId": "Check OSS_ACCESS_KEY_ID.",
    "NoSuchKey": "Check the prefix, and whether somebody deleted it meanwhile.",
    "NoSuchBucket": "Check the bucket's name and OSS_ENDPOINT.",
    "RequestTimeTooSkewed": "Set the machine's clock.",
}


class _RefusedError(ObjectStoreError):
    """The store answered, and its answer is no."""

    def __init__(self, status: int, told: ObjectStoreError) -> None:
        self.status, self.told = status, told
        super().__init__(told.where, expected=told.expected, found=told.found, remedy=told.remedy)


def _parts(content: bytes | Path, size: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield from (content[start : start + size] for start in range(0, len(content), size))
        return
    with content.open("rb") as file:
        while part := file.read(size):
            yield part


@dataclass(frozen=True)
class ObjectFolder:
    """A prefix of a bucket, read like a folder of files; each object is fetched once."""

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
