"""What only S3 has: its variables, its kinds of address, conditions that not every store knows, encrypted objects."""

import pytest

from pipeline.errors import ObjectStoreError
from pipeline.sources.objectstore.store import open_store
from tests.bucket_server import BUCKET, KEY_ID, SECRET


@pytest.fixture
def store(s3):
    opened, _ = open_store(f"s3://{BUCKET}")
    assert opened.access.endpoint == s3.endpoint
    return opened


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
def test_the_endpoint_may_have_the_standard_names(s3, variables, name):
    variables.delenv("S3_ENDPOINT")
    variables.setenv(name, s3.endpoint)
    store, _ = open_store(f"s3://{BUCKET}")
    store.put("a", b"x")
    assert s3.objects == {"a": b"x"}


def test_the_region_may_have_its_other_name(s3, variables):
    variables.setenv("AWS_DEFAULT_REGION", s3.variables["AWS_REGION"])
    variables.delenv("AWS_REGION")
    store, _ = open_store(f"s3://{BUCKET}")
    store.put("a", b"x")
    assert s3.objects == {"a": b"x"}


def test_without_endpoint_and_region_both_are_named(variables):
    variables.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    variables.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(ObjectStoreError, match="no AWS_REGION, no S3_ENDPOINT"):
        open_store(f"s3://{BUCKET}")


def test_files_of_the_home_folder_have_no_say(s3, variables, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = x\naws_secret_access_key = y\n")
    (tmp_path / ".aws" / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    variables.setenv("HOME", str(tmp_path))
    variables.setenv("AWS_PROFILE", "of-somebody")
    store, _ = open_store(f"s3://{BUCKET}")
    store.put("a", b"x")
    assert s3.objects == {"a": b"x"}
    variables.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ObjectStoreError, match="found no AWS_ACCESS_KEY_ID"):
        open_store(f"s3://{BUCKET}")


def test_a_temporary_token_is_sent_and_signed(s3, variables):
    variables.setenv("AWS_SESSION_TOKEN", "for-an-hour")
    store, _ = open_store(f"s3://{BUCKET}")
    store.put("a", b"x")  # the server refuses what is sent unsigned
    assert s3.objects == {"a": b"x"}


@pytest.mark.parametrize(
    ("endpoint", "said", "url"),
    [
        ("https://minio.internal:9000", None, "https://minio.internal:9000/shop/a"),
        ("https://s3.oss-cn-hangzhou.aliyuncs.com", None, "https://shop.s3.oss-cn-hangzhou.aliyuncs.com/a"),
        ("https://s3.eu-west-1.amazonaws.com", None, "https://shop.s3.eu-west-1.amazonaws.com/a"),
        ("https://tos.example.com", "virtual", "https://shop.tos.example.com/a"),
        (None, None, "https://shop.s3.cn-test.amazonaws.com/a"),
    ],
)
def test_the_bucket_is_where_the_store_wants_it(s3, variables, endpoint, said, url):
    variables.delenv("S3_ENDPOINT")
    for name, value in {"S3_ENDPOINT": endpoint, "S3_ADDRESSING": said}.items():
        if value:
            variables.setenv(name, value)
    store, _ = open_store(f"s3://{BUCKET}")
    signed = store._client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "a"})
    assert signed.partition("?")[0] == url
    assert s3.seen == []


@pytest.mark.parametrize("conditions", ["ignored", "refused"])
@pytest.mark.parametrize("size", [10, 6 * 1024 * 1024])
def test_a_store_that_does_not_know_the_condition_keeps_what_is_there(store, s3, conditions, size):
    s3.conditions = conditions
    store.put("a", b"a" * size)
    store.put("a", b"a" * size)
    with pytest.raises(ObjectStoreError, match="Another content has this name already"):
        store.put("a", b"b" * size)
    assert s3.objects["a"] == b"a" * size


def test_what_comes_between_looking_and_putting_is_not_overwritten(store, s3, monkeypatch):
    s3.objects["a"] = b"theirs"
    seen, head = [], store._head

    def late(key):
        seen.append(key)
        return None if len(seen) == 1 else head(key)

    monkeypatch.setattr(store, "_head", late)
    with pytest.raises(ObjectStoreError, match="PreconditionFailed"):
        store.put("a", b"ours")
    assert s3.objects["a"] == b"theirs"


def test_what_somebody_else_put_there_is_compared_with_its_etag(store, s3):
    s3.objects["a"] = b"theirs"
    store.put("a", b"theirs")
    with pytest.raises(ObjectStoreError, match="PreconditionFailed"):
        store.put("a", b"others")
    assert store.get("a") == b"theirs"


def test_an_encrypted_object_s_etag_is_no_checksum(store, s3):
    s3.objects["a"] = b"theirs"
    s3.metadata["a"] = {"ETag": '"0123456789abcdef0123456789abcdef"', "x-amz-server-side-encryption": "aws:kms"}
    assert store.get("a") == b"theirs"
    s3.metadata["a"].pop("x-amz-server-side-encryption")
    damaged = type(store)(type(store.access)(**{**vars(store.access), "pause": lambda _: None}))
    with pytest.raises(ObjectStoreError, match="another checksum"):
        damaged.get("a")


def test_no_header_is_sent_that_other_stores_do_not_know(store, s3, monkeypatch):
    sent = []
    handler = s3.dialect.signed_with

    def noting(self, bucket, body):
        sent.extend(name.lower() for name in self.headers)
        return handler(self, bucket, body)

    monkeypatch.setattr(s3.dialect, "signed_with", noting)
    store.put("a", b"x")
    store.get("a")
    assert not [name for name in sent if "checksum" in name or name in {"x-amz-trailer", "content-encoding"}]
    assert "content-md5" in sent


def test_a_bucket_name_that_cannot_be_is_told(s3):
    store, _ = open_store("s3://Not A Bucket")
    with pytest.raises(ObjectStoreError, match="Not A Bucket"):
        store.get("a")
    assert s3.seen == []
