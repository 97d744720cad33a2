"""A small S3: the operations that Vitrine uses, signatures of V4 and checksums of requests verified, faults on demand.

Written from Amazon's documentation of requests and signatures, not from botocore, so that both are checked.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from tests.bucket_server import KEY_ID, REGION, SECRET, BucketHandler, BucketServer, SignatureV4, md5, xml

_V4 = SignatureV4("AWS4-HMAC-SHA256", "AWS4", "s3", "aws4_request", "x-amz-date", empty_values=True)


class _Handler(BucketHandler):
    bucket: S3
    exists = 412, "PreconditionFailed"

    def is_forbidden(self) -> bool:
        """As Amazon does it; older stores do not know the condition, and some say so."""
        asked = self.headers.get("If-None-Match") == "*"
        return asked and self.bucket.conditions == "known" and self.key in self.bucket.objects

    def is_refused(self, body: bytes) -> bool:
        if self.fault == "damaged":
            body = body[:-1] + bytes([body[-1] ^ 1])  # on its way
        told = self.headers.get("Content-MD5")
        if told is not None and base64.b64decode(told) != hashlib.md5(body, usedforsecurity=False).digest():
            self.refuse(400, "BadDigest")
        elif hashlib.sha256(body).hexdigest() != self.headers.get("x-amz-content-sha256"):
            self.refuse(400, "XAmzContentSHA256Mismatch")
        elif self.bucket.conditions == "refused" and "If-None-Match" in self.headers:
            self.refuse(501, "NotImplemented")
        else:
            return False
        return True

    def etag(self, content: bytes) -> str:
        return md5(content)

    def about(self, content: bytes) -> dict[str, str]:
        return {"ETag": f'"{self.etag(content)}"'}

    def kept_headers(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def assembled(self, parts: list[bytes]) -> bytes:
        return b"".join(parts[1:] if self.fault == "damaged" else parts)

    def completed(self) -> bytes:
        return xml("CompleteMultipartUploadResult", Key=self.key, ETag="x")

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        if self.command == "GET" and self.fault == "damaged":
            body = body[:-1] + bytes([body[-1] ^ 1])
        super().answer(status, body, headers)

    def signed_with(self, bucket: str, body: bytes) -> str | None:
        given = self.headers.get("Authorization", "")
        if not given.startswith(f"{_V4.name} "):
            return None
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        headers = [(name, " ".join(self.headers.get(name, "").split())) for name in names]
        path = f"/{bucket}/{self.key}" if self.key else f"/{bucket}"
        payload = hashlib.sha256(body).hexdigest()
        unsigned = {name.lower() for name in self.headers if name.lower().startswith("x-amz-")} - set(names)
        return "v4" if not unsigned and self.is_v4(given, _V4, headers, path, payload) else None


@dataclass
class S3(BucketServer):
    """One bucket of S3."""

    dialect = _Handler
    conditions: str = "known"
    """Of `If-None-Match: *`: `known`, `ignored`, or `refused` with 501."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which it is found."""
        return {
            "S3_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
        }
