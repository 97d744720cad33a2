"""S3 and what speaks like it (MinIO, Ceph, R2, OSS's own S3 endpoint): a bucket through boto3."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from pipeline.errors import ObjectStoreError
from pipeline.sources.objectstore.content import parts_of, size_of, whole
from pipeline.sources.objectstore.retrying import CONFLICT, NOT_FOUND, RefusedError, Retries, Trouble
from pipeline.sources.objectstore.s3_client import s3_client
from pipeline.sources.objectstore.store import PAGE_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.sources.objectstore.content import Content
    from pipeline.sources.objectstore.store import Access

_DIGEST = "sha256"
"""Metadata: the content's SHA-256, which every store gives back, unlike checksums of its own."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_NOT_IMPLEMENTED, _PRECONDITION = 501, 412
_PASSING = frozenset({"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"})
"""Refusals of what was damaged or lost on its way."""
_REMEDIES = {
    "PreconditionFailed": "Another content has this name already: delete it, or use another prefix.",
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY, AWS_REGION and S3_ENDPOINT, and the machine's clock.",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID.",
    "AuthorizationHeaderMalformed": "Check AWS_REGION.",
    "NoSuchKey": "Check the prefix, and whether somebody deleted it meanwhile.",
    "NoSuchBucket": "Check the bucket's name, S3_ENDPOINT and S3_ADDRESSING.",
    "RequestTimeTooSkewed": "Set the machine's clock.",
}


class S3Store:
    """A bucket of S3.

    A content is damaged when its SHA-256 is not the one in its metadata; one that somebody else put there, when its
    MD5 is not its ETag, where that is one. Uploads are signed with their SHA-256 and carry their MD5, which the store
    compares; the SDK's newer checksums, which many stores do not know, are left out.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        url = f"s3://{access.bucket}"
        self._tried = Retries(url, access, _ERRORS, _explained, _REMEDIES).tried
        try:
            self._client = s3_client(access)
        except (BotoCoreError, ValueError) as error:
            raise ObjectStoreError(
                f"{url} at {access.endpoint}",
                expected="a bucket and an endpoint",
                found=str(error),
                remedy="Check the URL, S3_ENDPOINT and S3_ADDRESSING.",
            ) from None

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that begins with `prefix`, in order.

        Raises:
            ObjectStoreError: the store cannot be reached or refuses.
        """
        more: dict[str, str] = {}
        while True:
            page = self._tried(prefix, functools.partial(self._page, prefix, more))
            yield from (entry["Key"] for entry in page.get("Contents", ()))
            if not page["IsTruncated"]:
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def get(self, key: str) -> bytes:
        """The content under a key, of the length that the store says and undamaged.

        Raises:
            ObjectStoreError: there is none, the store cannot be reached, or the content stays damaged.
        """
        return self._tried(key, lambda: self._get(key))

    def put(self, key: str, content: Content, *, overwrite: bool = False) -> None:
        """Store a content, in parts when it is large.

        Raises:
            ObjectStoreError: another content is there already, or the store cannot be reached or refuses.
        """
        digest = _sha256(content, self.access.part_bytes)
        if overwrite:
            self._put(key, content, digest, {})
            return
        if (held := self._head(key)) is not None:  # not every store knows the condition that follows
            self._require_same(key, held, content, digest)
            return
        try:
            self._put(key, content, digest, {"IfNoneMatch": "*"})
        except RefusedError as error:
            if error.status == _NOT_IMPLEMENTED:
                self._put(key, content, digest, {})
                return
            # A lost answer makes a second try meet what the first one stored.
            if error.status not in {_PRECONDITION, CONFLICT, NOT_FOUND} or (held := self._head(key)) is None:
                raise error.told from None
            self._require_same(key, held, content, digest)

    def delete(self, key: str) -> None:
        """Take a key away."""
        self._tried(key, lambda: self._asked("delete_object", key))

    def _asked(self, operation: str, key: str, **parameters: object) -> Any:  # noqa: ANN401 -- boto3 makes its answers
        return getattr(self._client, operation)(Bucket=self.access.bucket, Key=key, **parameters)

    def _page(self, prefix: str, more: dict[str, str]) -> Any:  # noqa: ANN401
        return self._client.list_objects_v2(Bucket=self.access.bucket, Prefix=prefix, MaxKeys=PAGE_KEYS, **more)

    def _get(self, key: str) -> bytes:
        found = self._asked("get_object", key)
        with found["Body"] as body:
            content: bytes = body.read()
        if len(content) != found["ContentLength"]:
            raise _DamagedError(f"{len(content)} of {found['ContentLength']} bytes")
        if not _is_content(found, content, hashlib.sha256(content).hexdigest()):
            raise _DamagedError("a content with another checksum than the store says")
        return content

    def _put(self, key: str, content: Content, digest: str, condition: dict[str, str]) -> None:
        metadata = {_DIGEST: digest}
        if size_of(content) > self.access.part_bytes:
            self._put_parts(key, content, metadata, condition)
            return
        data = whole(content)
        given = {"Body": data, "ContentMD5": _content_md5(data), "Metadata": metadata, **condition}
        self._tried(key, lambda: self._asked("put_object", key, **given))

    def _put_parts(self, key: str, content: Content, metadata: dict[str, str], condition: dict[str, str]) -> None:
        upload = self._tried(key, lambda: self._asked("create_multipart_upload", key, Metadata=metadata))["UploadId"]
        try:
            parts = [
                self._put_part(key, upload, number, part)
                for number, part in enumerate(parts_of(content, self.access.part_bytes), 1)
            ]
            given = {"UploadId": upload, "MultipartUpload": {"Parts": parts}, **condition}
            self._tried(key, lambda: self._asked("complete_multipart_upload", key, **given))
            self._require_whole(key, size_of(content))
        except ObjectStoreError:
            self._give_up(key, upload)
            raise

    def _put_part(self, key: str, upload: str, number: int, part: bytes) -> dict[str, object]:
        given = {"UploadId": upload, "PartNumber": number, "Body": part, "ContentMD5": _content_md5(part)}
        return {
            "PartNumber": number,
            "ETag": self._tried(key, lambda: self._asked("upload_part", key, **given))["ETag"],
        }

    def _require_whole(self, key: str, size: int) -> None:
        """Every part was compared on its way; what the store made of them has at least their length, or goes away."""
        held = self._head(key)
        found = "nothing" if held is None else f"{held['ContentLength']} bytes"
        if found != f"{size} bytes":
            self.delete(key)
            raise ObjectStoreError(
                f"s3://{self.access.bucket}/{key}",
                expected=f"{size} bytes",
                found=found,
                remedy="Try again; if it happens again, the store puts parts together wrongly.",
            )

    def _give_up(self, key: str, upload: str) -> None:
        """Parts that nobody completes cost money; the error that led here counts, not this one."""
        try:
            self._asked("abort_multipart_upload", key, UploadId=upload)
        except (ClientError, BotoCoreError):
            return

    def _head(self, key: str) -> Any | None:  # noqa: ANN401
        """What the store says of a key; none: nothing is there."""
        try:
            return self._tried(key, lambda: self._asked("head_object", key))
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise error.told from None

    def _require_same(self, key: str, held: Any, content: Content, digest: str) -> None:  # noqa: ANN401
        if held["ContentLength"] != size_of(content) or not _is_content(held, content, digest, unknown=False):
            raise ObjectStoreError(
                f"s3://{self.access.bucket}/{key}",
                expected="no other content under this key",
                found="PreconditionFailed: one is there",
                remedy=_REMEDIES["PreconditionFailed"],
            )


class _DamagedError(Exception):
    """What came is not what was stored."""


_ERRORS = (ClientError, BotoCoreError, ResponseParserError, HTTPError, _DamagedError)
_PASSING_ERRORS = (HTTPClientError, IncompleteReadError, ResponseParserError, HTTPError, _DamagedError)
"""No answer, half of one, or a damaged one; what else boto3 raises is about the request."""


def _explained(error: Exception) -> Trouble:
    if isinstance(error, ClientError):
        answer, about = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        status, code = about.get("HTTPStatusCode", 0), answer.get("Code", "")
        message, request = answer.get("Message", ""), about.get("RequestId", "")
        return Trouble.of_status(status, code, message, request, passing=_PASSING)
    return Trouble(0, "", str(error), passes=isinstance(error, _PASSING_ERRORS))


def _is_content(held: Any, content: Content, digest: str, *, unknown: bool = True) -> bool:  # noqa: ANN401
    """Whether what the store says of an object fits `content`; `unknown` where it says nothing to compare."""
    if told := held.get("Metadata", {}).get(_DIGEST):
        return bool(told == digest)
    etag = held["ETag"].strip('"').lower()
    if _MD5.fullmatch(etag) and not _has_own_etag(held):
        return bool(hashlib.md5(whole(content), usedforsecurity=False).hexdigest() == etag)
    return unknown


def _has_own_etag(held: Any) -> bool:  # noqa: ANN401
    """Encrypted with a key of its own, an object's ETag is no MD5, though it looks like one."""
    return "SSECustomerAlgorithm" in held or str(held.get("ServerSideEncryption", "")).startswith("aws:kms")


def _sha256(content: Content, piece: int) -> str:
    digest = hashlib.sha256()
    for part in parts_of(content, piece):
        digest.update(part)
    return digest.hexdigest()


def _content_md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
