"""A bucket in memory behind HTTP that fails on demand; `oss_server` and `s3_server` give it their dialects."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

KEY_ID, SECRET, REGION, BUCKET = "test-key", "test-secret", "cn-test", "shop"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request of a method.

    unavailable: 503. slow: 503 SlowDown. silent: no answer. truncated: half of the body. damaged: the checksum does
    not fit. lost: done, but the answer does not come.
    """

    kind: str
    method: str


@dataclass
class BucketServer:
    """One bucket in memory."""

    page: int = 1000
    objects: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """By key, the headers that came with an object and go with it."""
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, key, version of the signature) of every request whose signature was right."""
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    dialect: ClassVar[type[BucketHandler]]

    def __enter__(self) -> Self:
        handler = type("Handler", (self.dialect,), {"bucket": self})
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
        with self.lock:
            for fault in self.faults:
                if fault.method == method:
                    self.faults.remove(fault)
                    return fault.kind
            return ""


class BucketHandler(BaseHTTPRequestHandler):
    """What both dialects share: list v2, get, put, delete, multipart, and the faults."""

    bucket: BucketServer
    protocol_version = "HTTP/1.1"
    exists: ClassVar[tuple[int, str]]
    """Status and code of what may not be overwritten."""

    def signed_with(self, bucket: str, body: bytes) -> str | None:
        """The version of the request's signature; none: it is wrong."""
        raise NotImplementedError

    def is_forbidden(self) -> bool:
        """Whether the request wants a new key, and there is one."""
        raise NotImplementedError

    def etag(self, content: bytes) -> str:
        raise NotImplementedError

    def about(self, content: bytes) -> dict[str, str]:
        """Headers that tell of a content; with the fault `damaged` they do not fit."""
        raise NotImplementedError

    def kept_headers(self) -> dict[str, str]:
        """What of a request's headers is kept with the object."""
        return {}

    def is_refused(self, body: bytes) -> bool:
        """Whether a checksum of the request did not fit, which was told."""
        del body
        return False

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 -- the standard library's names

    def _serve(self) -> None:
        place = urlsplit(self.path)
        self.query = dict(parse_qsl(place.query, keep_blank_values=True))
        _, bucket, self.key = (unquote(place.path) + "/").split("/", 2)
        self.key = self.key.removesuffix("/")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.fault = self.bucket.next_fault(self.command)
        if self.fault == "unavailable":
            return self.refuse(503, "ServiceUnavailable")
        if self.fault == "slow":
            return self.refuse(503, "SlowDown")
        if self.fault == "silent":
            self.bucket.closing.wait(30)
            self.close_connection = True
            return None
        if bucket != BUCKET:
            return self.refuse(404, "NoSuchBucket")
        version = self.signed_with(bucket, body)
        if version is None:
            return self.refuse(403, "SignatureDoesNotMatch")
        self.bucket.seen.append((self.command, self.key, version))
        return getattr(self, f"_{self.command.lower()}")(body)

    def _get(self, _: bytes) -> None:
        if not self.key:
            return self._list()
        if self.key not in self.bucket.objects:
            return self.refuse(404, "NoSuchKey")
        content = self.bucket.objects[self.key]
        return self.answer(200, content, self.about(content) | self.bucket.metadata.get(self.key, {}))

    _head = _get

    def _put(self, body: bytes) -> None:
        if self.is_refused(body):
            return None
        if "partNumber" in self.query:
            if self.query["uploadId"] not in self.bucket.uploads:
                return self.refuse(404, "NoSuchUpload")
            self.bucket.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = body
            return self.stored(body)
        if self.is_forbidden():
            return self.refuse(*self.exists)
        self.bucket.objects[self.key] = body
        self.bucket.metadata[self.key] = self.kept_headers()
        return self.stored(body)

    def _post(self, body: bytes) -> None:
        if self.is_forbidden():
            return self.refuse(*self.exists)
        if "uploads" in self.query:
            upload = f"upload-{len(self.bucket.seen)}"
            self.bucket.uploads[upload] = {}
            self.bucket.metadata[upload] = self.kept_headers()
            return self.answer(200, xml("InitiateMultipartUploadResult", UploadId=upload, Key=self.key))
        parts = self.bucket.uploads.pop(self.query["uploadId"], None)
        if parts is None:
            return self.refuse(404, "NoSuchUpload")
        for part in ET.fromstring(body).iter():  # noqa: S314 -- our own client's
            if part.tag.rpartition("}")[2] == "Part":
                told = {child.tag.rpartition("}")[2]: child.text or "" for child in part}
                if told["ETag"].strip('"') != self.etag(parts[int(told["PartNumber"])]):
                    return self.refuse(400, "InvalidPart")
        self.bucket.objects[self.key] = self.assembled([parts[number] for number in sorted(parts)])
        self.bucket.metadata[self.key] = self.bucket.metadata.pop(self.query["uploadId"])
        return self.stored(self.bucket.objects[self.key], self.completed())

    def completed(self) -> bytes:
        """The body that tells of a finished upload."""
        return b""

    def assembled(self, parts: list[bytes]) -> bytes:
        return b"".join(parts)

    def _delete(self, _: bytes) -> None:
        if "uploadId" in self.query:
            self.bucket.uploads.pop(self.query["uploadId"], None)
        else:
            self.bucket.objects.pop(self.key, None)
        self.answer(204, b"")

    def _list(self) -> None:
        after, prefix = self.query.get("continuation-token", ""), self.query.get("prefix", "")
        keys = sorted(key for key in self.bucket.objects if key.startswith(prefix) and key > after)
        page = keys[: min(self.bucket.page, int(self.query["max-keys"]))]
        more = len(page) < len(keys)
        contents = "".join(
            f"<Contents><Key>{escape(quote(key))}</Key><LastModified>2017-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Type>Normal</Type><Size>{len(self.bucket.objects[key])}</Size>"
            "<StorageClass>Standard</StorageClass></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(self.token(page[-1]))}</NextContinuationToken>" if more else ""
        self.answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{contents}</ListBucketResult>".encode(),
        )

    def token(self, key: str) -> str:
        return key

    def stored(self, content: bytes, body: bytes = b"") -> None:
        if self.fault == "lost":
            self.close_connection = True
            return
        self.answer(200, body, self.about(content))

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, xml("Error", Code=code, Message=f"this is {code}", StringToSign="secret details"))

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("x-oss-request-id", f"request-{len(self.bucket.seen)}")
        self.send_header("x-amz-request-id", f"request-{len(self.bucket.seen)}")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.fault == "truncated":
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)

    def is_v4(self, given: str, kind: SignatureV4, headers: list[tuple[str, str]], path: str, payload: str) -> bool:
        """Both stores sign alike: a request, its scope, a key derived from the scope."""
        fields = dict(part.strip().split("=", 1) for part in given.partition(" ")[2].split(","))
        key_id, date, *scope = fields["Credential"].split("/")
        if (key_id, *scope) != (KEY_ID, REGION, kind.service, kind.request):
            return False
        query = sorted((quote(k, safe="~"), quote(v, safe="~")) for k, v in self.query.items())
        canonical = "\n".join(
            [
                self.command,
                quote(path, safe="/~"),
                "&".join(f"{k}={v}" if v or kind.empty_values else k for k, v in query),
                "".join(f"{k}:{v}\n" for k, v in headers),
                fields.get("SignedHeaders", ""),
                payload,
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join([kind.name, self.headers[kind.date_header], "/".join([date, *scope]), digest])
        signing = f"{kind.prefix}{SECRET}".encode()
        for part in (date, *scope):
            signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(hmac.new(signing, text.encode(), hashlib.sha256).hexdigest(), fields["Signature"])


@dataclass(frozen=True)
class SignatureV4:
    """In which words a store speaks of it."""

    name: str
    prefix: str
    service: str
    request: str
    date_header: str
    empty_values: bool


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def xml(root: str, **children: str) -> bytes:
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in children.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{root}>{inner}</{root}>'.encode()
