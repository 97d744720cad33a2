"""What every store promises, against servers that verify signatures and fail on demand."""

import dataclasses

import pytest

from pipeline.errors import ObjectStoreError
from pipeline.sources.objectstore.retrying import ATTEMPTS
from pipeline.sources.objectstore.store import PART_BYTES, open_store
from tests.bucket_server import BUCKET

MEBIBYTE = 1024 * 1024


@pytest.fixture
def pauses():
    return []


@pytest.fixture(params=["oss v4", "oss v1", "s3 v4"])
def kind(request):
    return request.param


@pytest.fixture
def server(kind, request):
    return request.getfixturevalue(kind.split()[0])


@pytest.fixture
def store(kind, server, variables, pauses):
    """A store of either kind, with small parts and no patience; pauses are noted, not made."""
    if kind == "oss v1":
        variables.delenv("OSS_REGION")
    opened, _ = open_store(f"{kind.split()[0]}://{BUCKET}/")
    access = dataclasses.replace(opened.access, timeout_seconds=(2, 0.3), part_bytes=100 * 1024, pause=pauses.append)
    assert server.endpoint == access.endpoint
    return type(opened)(access)


def test_a_content_comes_back_as_it_was_put(store, server, kind):
    store.put("data/a b+ü.csv", b"x" * 1000)
    assert store.get("data/a b+ü.csv") == b"x" * 1000
    assert {version for _, _, version in server.seen} == {kind.split()[1]}


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_content_may_be_empty(store, content):
    store.put("a", content)
    assert store.get("a") == content


def test_keys_are_listed_over_many_pages(store, server):
    server.page = 3
    server.objects = {f"a/{number:02} ü&": b"" for number in range(10)} | {"b/1": b""}
    assert list(store.keys("a/")) == sorted(key for key in server.objects if key.startswith("a/"))
    assert list(store.keys("nothing/")) == []


def test_a_large_file_goes_up_in_parts(store, server, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 1000)
    store.put("large", path)
    assert server.objects["large"] == path.read_bytes() == store.get("large")
    assert sum(method == "PUT" for method, _, _ in server.seen) == 3
    assert server.uploads == {}


@pytest.mark.parametrize("size", [10, 250_000])
def test_another_content_is_never_overwritten_and_the_same_one_is_no_error(store, server, size):
    store.put("release", b"a" * size)
    store.put("release", b"a" * size)
    with pytest.raises(ObjectStoreError, match=r"(AlreadyExists|Precondition).*Another content has this name already"):
        store.put("release", b"b" * size)
    assert server.objects["release"] == b"a" * size
    store.put("release", b"b" * size, overwrite=True)
    assert server.objects["release"] == b"b" * size
    assert server.uploads == {}


def test_delete_takes_away_and_may_be_repeated(store, server):
    store.put("a", b"x")
    store.delete("a")
    store.delete("a")
    assert server.objects == {}


@pytest.mark.parametrize(
    ("fault", "method"),
    [("unavailable", "GET"), ("slow", "GET"), ("silent", "GET"), ("truncated", "GET"), ("damaged", "GET"),
     ("unavailable", "PUT"), ("slow", "PUT"), ("silent", "PUT"), ("damaged", "PUT"), ("lost", "PUT")],
)  # fmt: skip
@pytest.mark.parametrize("size", [1000, 250_000])
def test_what_passes_is_tried_again_with_growing_pauses(store, server, pauses, fault, method, size):
    content = bytes(range(250)) * (size // 250)
    server.fail(fault, method, 2)
    store.put("a", content)
    assert store.get("a") == content
    # A put whose answer was lost is found done by the second try.
    assert len(pauses) == (1 if fault == "lost" and size == 1000 else 2)
    assert all(0.25 * 2**n <= pause <= 0.75 * 2**n for n, pause in enumerate(pauses))
    assert server.uploads == {}


@pytest.mark.parametrize("trouble", ["lost", "damaged", "unavailable"])
def test_trouble_at_the_last_step_of_a_large_upload_leaves_the_content_whole(store, server, trouble):
    content = bytes(range(250)) * 1000
    server.fail("", "POST")  # the first step passes
    server.fail(trouble, "POST")
    if trouble == "damaged":  # the store's own content is wrong: it is taken away, and the caller told
        with pytest.raises(ObjectStoreError):
            store.put("a", content)
        assert server.objects == {}
    else:
        store.put("a", content)
        assert server.objects == {"a": content}
        assert store.get("a") == content


@pytest.mark.parametrize("size", [1000, 250_000])
def test_an_upload_that_does_not_pass_leaves_nothing_behind(store, server, pauses, size):
    server.fail("unavailable", "PUT", 99)
    with pytest.raises(ObjectStoreError, match="503 ServiceUnavailable"):
        store.put("a", b"x" * size)
    assert (server.objects, server.uploads) == ({}, {})
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("fault", ["unavailable", "silent", "truncated", "damaged"])
def test_what_does_not_pass_is_told_after_the_last_try(store, server, kind, pauses, fault):
    server.objects["a"] = b"x" * 1000
    server.fail(fault, "GET", 99)
    with pytest.raises(ObjectStoreError, match=f"{kind.split()[0]}://{BUCKET}/a at http://127"):
        store.get("a")
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("kind", "variable", "value", "remedy"),
    [
        ("oss v4", "OSS_ACCESS_KEY_SECRET", "wr0ng-secret", "Check OSS_ACCESS_KEY_SECRET"),
        ("oss v4", "OSS_REGION", "cn-other", "OSS_REGION"),
        ("s3 v4", "AWS_SECRET_ACCESS_KEY", "wr0ng-secret", "Check AWS_SECRET_ACCESS_KEY"),
        ("s3 v4", "AWS_REGION", "cn-other", "AWS_REGION"),
    ],
)
def test_a_refusal_is_told_at_once_without_secrets(kind, server, variables, variable, value, remedy):
    variables.setenv(variable, value)
    store, _ = open_store(f"{kind.split()[0]}://{BUCKET}/x")
    with pytest.raises(ObjectStoreError, match=remedy) as error:
        store.get("a")
    assert "wr0ng" not in str(error.value)
    assert "secret details" not in str(error.value)
    assert server.seen == []


def test_what_is_not_there_is_named(store):
    with pytest.raises(ObjectStoreError, match=r"NoSuchKey.*Check the prefix"):
        store.get("nowhere")


def test_a_bucket_that_is_not_there_is_named(kind, server):
    store, _ = open_store(f"{kind.split()[0]}://another")
    with pytest.raises(ObjectStoreError, match=r"NoSuchBucket.*Check the bucket's name"):
        list(store.keys(""))
    assert server.seen == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("oss v4", "OSS_ENDPOINT"),
        ("oss v4", "OSS_ACCESS_KEY_ID"),
        ("oss v4", "OSS_ACCESS_KEY_SECRET"),
        ("s3 v4", "AWS_ACCESS_KEY_ID"),
        ("s3 v4", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_what_the_environment_lacks_is_named(kind, server, variables, name):
    variables.delenv(name)
    with pytest.raises(ObjectStoreError, match=f"found no {name}"):
        open_store(f"{kind.split()[0]}://{BUCKET}")
    assert server.seen == []


@pytest.mark.parametrize("url", ["gs://bucket/x", "oss://", "s3://", "bucket"])
def test_another_kind_of_url_is_refused(url):
    with pytest.raises(ObjectStoreError, match="expected oss://bucket/prefix or s3://bucket/prefix"):
        open_store(url)


@pytest.mark.parametrize("kind", ["oss v4", "s3 v4"])
def test_the_prefix_is_empty_or_ends_in_a_slash(kind, server):
    url = f"{kind.split()[0]}://{BUCKET}"
    assert [open_store(url + rest)[1] for rest in ("", "/", "/a/b", "/a/b/")] == ["", "", "a/b/", "a/b/"]
    assert server.seen == []


def test_a_part_is_as_large_as_stores_want():
    assert PART_BYTES >= 5 * MEBIBYTE
