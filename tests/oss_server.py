"""A small Aliyun OSS: the operations that Vitrine uses, signatures of V1 and V4 verified, and faults on demand.

Written from Aliyun's documentation of requests and signatures, not from oss2, so that both are checked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote

import crcmod

from tests.bucket_server import KEY_ID, REGION, SECRET, BucketHandler, BucketServer, SignatureV4, md5

_crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)
_SUBRESOURCES = {"uploads", "uploadId", "partNumber", "continuation-token"}
_V4 = SignatureV4("OSS4-HMAC-SHA256", "aliyun_v4", "oss", "aliyun_v4_request", "x-oss-date", empty_values=False)


class _Handler(BucketHandler):
    exists = 409, "FileAlreadyExists"

    def is_forbidden(self) -> bool:
        return self.headers.get("x-oss-forbid-overwrite") == "true" and self.key in self.bucket.objects

    def etag(self, content: bytes) -> str:
        """As OSS writes it: in upper case."""
        return md5(content).upper()

    def about(self, content: bytes) -> dict[str, str]:
        crc = _crc64(content) ^ (1 if self.fault == "damaged" else 0)
        return {"ETag": f'"{self.etag(content)}"', "x-oss-hash-crc64ecma": str(crc)}

    def token(self, key: str) -> str:
        return quote(key)

    def signed_with(self, bucket: str, body: bytes) -> str | None:
        del body  # V4 as oss2 signs it leaves the payload out
        given = self.headers.get("Authorization", "")
        if given.startswith(f"{_V4.name} "):
            payload = self.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
            return "v4" if self.is_v4(given, _V4, self._v4_headers(), f"/{bucket}/{self.key}", payload) else None
        return "v1" if hmac.compare_digest(given, f"OSS {KEY_ID}:{self._v1(bucket)}") else None

    def _v4_headers(self) -> list[tuple[str, str]]:
        named = ((name.lower(), value.strip()) for name, value in self.headers.items())
        return sorted(
            (name, value)
            for name, value in named
            if name.startswith("x-oss-") or name in {"content-type", "content-md5"}
        )

    def _v1(self, bucket: str) -> str:
        headers = sorted((k.lower(), v.strip()) for k, v in self.headers.items() if k.lower().startswith("x-oss-"))
        sub = sorted((k, v) for k, v in self.query.items() if k in _SUBRESOURCES)
        resource = f"/{bucket}/{self.key}" + ("?" + "&".join(f"{k}={v}" if v else k for k, v in sub) if sub else "")
        date = self.headers.get("x-oss-date") or self.headers.get("Date", "")
        lines = [self.command, self.headers.get("Content-MD5", ""), self.headers.get("Content-Type", ""), date]
        text = "\n".join([*lines, *(f"{k}:{v}" for k, v in headers), resource])
        return base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Oss(BucketServer):
    """One bucket of OSS."""

    dialect = _Handler

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which it is found."""
        return {
            "OSS_ENDPOINT": self.endpoint,
            "OSS_ACCESS_KEY_ID": KEY_ID,
            "OSS_ACCESS_KEY_SECRET": SECRET,
            "OSS_REGION": REGION,
        }
