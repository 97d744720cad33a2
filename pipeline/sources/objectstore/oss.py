"""Aliyun OSS through oss2. With a region requests carry V4 signatures, without one V1.

OSS_ENDPOINT, OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET must be set; OSS_SESSION_TOKEN comes with temporary ones,
OSS_REGION where the endpoint does not name the region.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

import oss2
import oss2.credentials
import requests

from pipeline.errors import ObjectStoreError
from pipeline.sources.objectstore.content import parts_of, size_of, whole
from pipeline.sources.objectstore.environment import require_variables
from pipeline.sources.objectstore.retrying import CONFLICT, NOT_FOUND, RefusedError, Retries, Trouble
from pipeline.sources.objectstore.store import PAGE_KEYS, Access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.sources.objectstore.content import Content

T = TypeVar("T")
_VARIABLES = ("OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
_FORBID = "x-oss-forbid-overwrite"
_ENDPOINT_REGION = re.compile(r"oss-(?!accelerate)([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
_REMEDIES = {
    "FileAlreadyExists": "Another content has this name already: delete it, or use another prefix.",
    "SignatureDoesNotMatch": "Check OSS_ACCESS_KEY_SECRET and OSS_REGION, and the machine's clock.",
    "InvalidAccessKeyId": "Check OSS_ACCESS_KEY_ID.",
    "NoSuchKey": "Check the prefix, and whether somebody deleted it meanwhile.",
    "NoSuchBucket": "Check the bucket's name and OSS_ENDPOINT.",
    "RequestTimeTooSkewed": "Set the machine's clock.",
}


def oss_access(bucket: str) -> Access:
    """What the environment says of a bucket.

    Raises:
        ObjectStoreError: endpoint or credentials are missing.
    """
    require_variables(f"oss://{bucket}", _VARIABLES)
    endpoint = os.environ["OSS_ENDPOINT"]
    named = _ENDPOINT_REGION.search(endpoint)
    return Access(bucket, endpoint, os.environ.get("OSS_REGION") or (named[1] if named else None))


class OssStore:
    """A bucket of Aliyun OSS."""

    def __init__(self, access: Access) -> None:
        self.access = access
        url = f"oss://{access.bucket}"
        errors = (oss2.exceptions.OssError, requests.RequestException)
        self._tried = Retries(url, access, errors, _explained, _REMEDIES).tried
        credentials = oss2.credentials.EnvironmentVariableCredentialsProvider()
        auth = oss2.ProviderAuthV4(credentials) if access.region else oss2.ProviderAuth(credentials)
        try:
            self._bucket: Any = oss2.Bucket(  # the package has no types
                auth, access.endpoint, access.bucket, connect_timeout=access.timeout_seconds, region=access.region
            )
        except oss2.exceptions.ClientError as error:
            raise ObjectStoreError(
                f"{url} at {access.endpoint}",
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

    def put(self, key: str, content: Content, *, overwrite: bool = False) -> None:
        """Store a content, in parts when it is large; the store's checksum must equal ours.

        Raises:
            ObjectStoreError: another content is there already, or the store cannot be reached or refuses.
        """
        headers = {} if overwrite else {_FORBID: "true"}
        try:
            if size_of(content) > self.access.part_bytes:
                self._put_parts(key, content, headers)
            else:
                data = whole(content)
                self._tried(key, lambda: self._sound(key, lambda: self._bucket.put_object(key, data, headers=headers)))
        except RefusedError as error:
            # A lost answer makes a second try meet what the first one stored.
            if error.status not in {CONFLICT, NOT_FOUND} or not self._holds(key, content):
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
            raise oss2.exceptions.InconsistentError(f"{len(content)} of {found.content_length} bytes")
        oss2.utils.check_crc("get", found.client_crc, found.server_crc, found.request_id)
        return content

    def _put_parts(self, key: str, content: Content, headers: dict[str, str]) -> None:
        upload = self._tried(key, lambda: self._bucket.init_multipart_upload(key, headers=headers)).upload_id
        try:
            parts = [
                self._put_part(key, upload, number, part)
                for number, part in enumerate(parts_of(content, self.access.part_bytes), 1)
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
        except oss2.exceptions.InconsistentError:
            self._bucket.delete_object(key)
            raise

    def _put_part(self, key: str, upload: str, number: int, part: bytes) -> Any:  # noqa: ANN401 -- oss2's own
        done = self._tried(key, lambda: self._bucket.upload_part(key, upload, number, part))
        return oss2.models.PartInfo(number, done.etag, size=len(part), part_crc=done.crc)

    def _give_up(self, key: str, upload: str) -> None:
        """Parts that nobody completes cost money; the error that led here counts, not this one."""
        try:
            self._bucket.abort_multipart_upload(key, upload)
        except oss2.exceptions.OssError:
            return

    def _holds(self, key: str, content: Content) -> bool:
        """Whether the store has this very content under the key."""
        try:
            head = self._tried(key, lambda: self._bucket.head_object(key))
        except ObjectStoreError:
            return False
        crc = oss2.utils.Crc64()
        for part in parts_of(content, self.access.part_bytes):
            crc.update(part)
        return bool(head.content_length == size_of(content) and head.server_crc == crc.crc)


def _explained(error: Exception) -> Trouble:
    code, message = getattr(error, "code", ""), getattr(error, "message", "")
    told = message if code else str(getattr(error, "body", "") or error)
    return Trouble.of_status(getattr(error, "status", 0), code, told, getattr(error, "request_id", ""))
