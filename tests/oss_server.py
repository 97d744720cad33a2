"""A small Aliyun OSS: the operations that Vitrine uses, signatures of V1 and V4 verified, and faults on demand.

Written from Aliyun's documentation of requests and signatures, not from oss2, so that both are checked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import crcmod

KEY_ID, SECRET, REGION, BUCKET = "test-key", "test-secret", "cn-test", "shop"
_crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)
_SUBRESOURCES = {"uploads", "uploadId", "partNumber", "continuation-token"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request of a method: `unavailable`, `silent`, `truncated`, `damaged` or `lost`."""

    kind: str
    method: str


@dataclass
class Oss:
    """One bucket in memory."""

    page: int = 1000
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, key, version of the signature) of every request whose signature was right."""
    closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"oss": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def fail(self, kind: str, method: str, times: int = 1) -> None:
        self.faults.extend([Fault(kind, method)] * times)

    def next_fault(self, method: str) -> str:
        for fault in self.faults:
            if fault.method == method:
                self.faults.remove(fault)
                return fault.kind
        return ""


class _Handler(BaseHTTPRequestHandler):
    oss: Oss
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 -- the standard library's names

    def _serve(self) -> None:
        place = urlsplit(self.path)
        self.query = dict(parse_qsl(place.query, keep_blank_values=True))
        _, bucket, key = unquote(place.path).split("/", 2)
        self.key = key
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.fault = self.oss.next_fault(self.command)
        if self.fault == "unavailable":
            return self._refuse(503, "ServiceUnavailable")
        if self.fault == "silent":
            self.oss.closing.wait(30)
            self.close_connection = True
            return None
        if bucket != BUCKET:
            return self._refuse(404, "NoSuchBucket")
        version = self._signed_with(bucket)
        if version is None:
            return self._refuse(403, "SignatureDoesNotMatch")
        self.oss.seen.append((self.command, key, version))
        return getattr(self, f"_{self.command.lower()}")(body)

    def _get(self, _: bytes) -> None:
        if not self.key:
            return self._list()
        if self.key not in self.oss.objects:
            return self._refuse(404, "NoSuchKey")
        return self._answer(200, self.oss.objects[self.key], checksum=True)

    _head = _get

    def _put(self, body: bytes) -> None:
        if "partNumber" in self.query:
            if self.query["uploadId"] not in self.oss.uploads:
                return self._refuse(404, "NoSuchUpload")
            self.oss.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = body
            return self._stored(body)
        if self._is_forbidden():
            return self._refuse(409, "FileAlreadyExists")
        self.oss.objects[self.key] = body
        return self._stored(body)

    def _post(self, body: bytes) -> None:
        if self._is_forbidden():
            return self._refuse(409, "FileAlreadyExists")
        if "uploads" in self.query:
            upload = f"upload-{len(self.oss.seen)}"
            self.oss.uploads[upload] = {}
            return self._answer(200, _xml("InitiateMultipartUploadResult", UploadId=upload, Key=self.key))
        parts = self.oss.uploads.pop(self.query["uploadId"], None)
        if parts is None:
            return self._refuse(404, "NoSuchUpload")
        listed = ET.fromstring(body)  # noqa: S314 -- our own client's
        for part in listed.iter("Part"):
            content = parts[int(part.findtext("PartNumber") or 0)]
            if (part.findtext("ETag") or "").strip('"') != _etag(content):
                return self._refuse(400, "InvalidPart")
        self.oss.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
        return self._stored(self.oss.objects[self.key])

    def _delete(self, _: bytes) -> None:
        if "uploadId" in self.query:
            self.oss.uploads.pop(self.query["uploadId"], None)
        else:
            self.oss.objects.pop(self.key, None)
        self._answer(204, b"")

    def _is_forbidden(self) -> bool:
        return self.headers.get("x-oss-forbid-overwrite") == "true" and self.key in self.oss.objects

    def _list(self) -> None:
        after = self.query.get("continuation-token", "")
        keys = sorted(key for key in self.oss.objects if key.startswith(self.query.get("prefix", "")) and key > after)
        page = keys[: min(self.oss.page, int(self.query["max-keys"]))]
        more = len(page) < len(keys)
        contents = "".join(
            f"<Contents><Key>{escape(quote(key))}</Key><LastModified>2017-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Type>Normal</Type><Size>{len(self.oss.objects[key])}</Size>"
            "<StorageClass>Standard</StorageClass></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(quote(page[-1]))}</NextContinuationToken>" if more else ""
        self._answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{contents}</ListBucketResult>".encode(),
        )

    def _stored(self, body: bytes) -> None:
        if self.fault == "lost":
            self.close_connection = True
            return
        crc = _crc64(body) ^ (1 if self.fault == "damaged" else 0)
        headers = {"ETag": f'"{_etag(body)}"', "x-oss-hash-crc64ecma": str(crc)}
        self._answer(200, b"", headers)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, _xml("Error", Code=code, Message=f"this is {code}", StringToSign="secret details"))

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, checksum: bool = False
    ) -> None:
        self.send_response(status)
        if checksum:
            self.send_header("x-oss-hash-crc64ecma", str(_crc64(body) ^ (1 if self.fault == "damaged" else 0)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("x-oss-request-id", f"request-{len(self.oss.seen)}")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "truncated":
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)

    def _signed_with(self, bucket: str) -> str | None:
        given = self.headers.get("Authorization", "")
        if given.startswith("OSS4-HMAC-SHA256 "):
            return "v4" if self._is_v4(given, bucket) else None
        return "v1" if hmac.compare_digest(given, f"OSS {KEY_ID}:{self._v1(bucket)}") else None

    def _v1(self, bucket: str) -> str:
        headers = sorted((k.lower(), v.strip()) for k, v in self.headers.items() if k.lower().startswith("x-oss-"))
        sub = sorted((k, v) for k, v in self.query.items() if k in _SUBRESOURCES)
        resource = f"/{bucket}/{self.key}" + ("?" + "&".join(f"{k}={v}" if v else k for k, v in sub) if sub else "")
        date = self.headers.get("x-oss-date") or self.headers.get("Date", "")
        lines = [self.command, self.headers.get("Content-MD5", ""), self.headers.get("Content-Type", ""), date]
        text = "\n".join([*lines, *(f"{k}:{v}" for k, v in headers), resource])
        return base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()

    def _is_v4(self, given: str, bucket: str) -> bool:
        fields = dict(part.strip().split("=", 1) for part in given.partition(" ")[2].split(","))
        key_id, date, region, product, request = fields["Credential"].split("/")
        if (key_id, region, product, request) != (KEY_ID, REGION, "oss", "aliyun_v4_request"):
            return False
        signed = {"content-type", "content-md5"}
        headers = sorted(
            (k.lower(), v.strip())
            for k, v in self.headers.items()
            if k.lower().startswith("x-oss-") or k.lower() in signed
        )
        query = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in self.query.items())
        canonical = "\n".join(
            [
                self.command,
                quote(f"/{bucket}/{self.key}", safe="/~"),
                "&".join(f"{k}={v}" if v else k for k, v in query),
                "".join(f"{k}:{v}\n" for k, v in headers),
                "",
                self.headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD"),
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        scope = f"{date}/{region}/oss/aliyun_v4_request"
        text = f"OSS4-HMAC-SHA256\n{self.headers['x-oss-date']}\n{scope}\n{digest}"
        signing = f"aliyun_v4{SECRET}".encode()
        for part in (date, region, "oss", "aliyun_v4_request"):
            signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(hmac.new(signing, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"])


def _etag(content: bytes) -> str:
    """As OSS writes it: in upper case."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest().upper()


def _xml(root: str, **children: str) -> bytes:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in children.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{inner}</{root}>'.encode()
