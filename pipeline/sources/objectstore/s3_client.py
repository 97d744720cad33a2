"""Where an S3 bucket is and who asks, from the environment alone; and boto3's client for it.

AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set, AWS_SESSION_TOKEN comes with temporary ones.
S3_ENDPOINT (or AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) names another store than Amazon's; without it AWS_REGION (or
AWS_DEFAULT_REGION) must be set. S3_ADDRESSING says `path` or `virtual` where the guess is wrong.
"""

from __future__ import annotations

import functools
import os
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config

from pipeline.errors import ObjectStoreError
from pipeline.sources.objectstore.environment import first_of, require_variables
from pipeline.sources.objectstore.store import Access

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_USUAL_REGION = "us-east-1"
"""What stores that have no regions take for theirs."""
_NO_PATHS = ("amazonaws.com", "aliyuncs.com")
"""Endpoints that want the bucket in the name of the host."""


def s3_access(bucket: str) -> Access:
    """What the environment says of a bucket.

    Raises:
        ObjectStoreError: credentials are missing, or endpoint and region both.
    """
    url = f"s3://{bucket}"
    require_variables(url, _KEYS)
    endpoint = first_of("S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    region = first_of("AWS_REGION", "AWS_DEFAULT_REGION")
    if endpoint is None and region is None:
        raise ObjectStoreError(
            url,
            expected="the variable AWS_REGION for Amazon's own S3, or S3_ENDPOINT for another store",
            found="no AWS_REGION, no S3_ENDPOINT",
            remedy="Set one of them in the environment of the process.",
        )
    return Access(bucket, endpoint, region or _USUAL_REGION)


def s3_client(access: Access) -> Any:  # noqa: ANN401 -- boto3 makes it when it runs
    """One client of one bucket; it does not try again, because `Retries` does."""
    connect, read = access.timeout_seconds
    return _session().client(
        "s3",
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=os.environ.get("AWS_SESSION_TOKEN") or None,
        config=Config(
            signature_version="s3v4",
            connect_timeout=connect,
            read_timeout=read,
            retries={"mode": "standard", "total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": _addressing(access.endpoint), "payload_signing_enabled": True},
        ),
    )


@functools.cache
def _session() -> Any:  # noqa: ANN401
    """One for all stores, because reading S3's description takes most of a second; it knows of no credentials."""
    nothing = (None, None, os.devnull, None)
    return boto3.session.Session(
        botocore_session=botocore.session.Session(
            # Neither ~/.aws nor a profile nor the machine's own role has a say.
            {"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
        )
    )


def _addressing(endpoint: str | None) -> str:
    """Whether the bucket is part of the path or of the host."""
    host = urlsplit(endpoint or "").hostname or ""
    return os.environ.get("S3_ADDRESSING") or ("virtual" if not endpoint or host.endswith(_NO_PATHS) else "path")
