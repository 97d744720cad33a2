"""The object store against a server that verifies signatures and fails on demand."""

import dataclasses

import pytest

from pipeline.errors import ObjectStoreError
from pipeline.sources import objectstore
from pipeline.sources.objectstore import ATTEMPTS, OssStore, open_store
from tests.oss_server import BUCKET, KEY_ID, REGION, SECRET, Oss


@pytest.fixture
def oss():
    with Oss() as server:
        yield server


@pytest.fixture
def variables(oss, monkeypatch):
    for name in ("OSS_SESSION_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OSS_ENDPOINT", oss.endpoint)
    monkeypatch.setenv("OSS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", SECRET)
    monkeypatch.setenv("OSS_REGION", REGION)
    return monkeypatch


@pytest.fixture
def pauses():
    return []


@pytest.fixture(params=["v4", "v1"])
def store(request, variables, pauses):
    """A store with either signature, small parts and no patience; pauses are noted, not made."""
    if request.param == "v1":
        variables.delenv("OSS_REGION")
    opened, _ = open_store(f"oss://{BUCKET}/")
    access = dataclasses.replace(opened.access, timeout_seconds=(2, 0.3), part_bytes=100 * 1024, pause=pauses.append)
    return OssStore(access)


def test_a_content_comes_back_as_it_was_put(store, oss, request):
    store.put("data/a b+ü.csv", b"x" * 1000)
    assert store.get("data/a b+ü.csv") == b"x" * 1000
    assert {version for _, _, version in oss.seen} == {request.node.callspec.params["store"]}


def test_keys_are_listed_over_many_pages(store, oss):
    oss.page = 3
    oss.objects = {f"a/{number:02} ü&": b"" for number in range(10)} | {"b/1": b""}
    assert list(store.keys("a/")) == sorted(key for key in oss.objects if key.startswith("a/"))
    assert list(store.keys("nothing/")) == []


def test_a_large_file_goes_up_in_parts(store, oss, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 1000)
    store.put("large", path)
    assert oss.objects["large"] == path.read_bytes()
    assert sum(method == "PUT" for method, _, _ in oss.seen) == 3
    assert oss.uploads == {}


@pytest.mark.parametrize("size", [10, 250_000])
def test_another_content_is_never_overwritten_and_the_same_one_is_no_error(store, oss, size):
    store.put("release", b"a" * size)
    store.put("release", b"a" * size)
    with pytest.raises(ObjectStoreError, match=r"FileAlreadyExists.*Another content has this name already"):
        store.put("release", b"b" * size)
    assert oss.objects["release"] == b"a" * size
    store.put("release", b"b" * size, overwrite=True)
    assert oss.objects["release"] == b"b" * size
    assert oss.uploads == {}


def test_delete_takes_away_and_may_be_repeated(store, oss):
    store.put("a", b"x")
    store.delete("a")
    store.delete("a")
    assert oss.objects == {}


@pytest.mark.parametrize(
    ("fault", "method"),
    [("unavailable", "GET"), ("silent", "GET"), ("truncated", "GET"), ("damaged", "GET"), ("unavailable", "PUT"),
     ("silent", "PUT"), ("damaged", "PUT"), ("lost", "PUT")],
)  # fmt: skip
@pytest.mark.parametrize("size", [1000, 250_000])
def test_what_passes_is_tried_again_with_growing_pauses(store, oss, pauses, fault, method, size):
    content = bytes(range(250)) * (size // 250)
    oss.fail(fault, method, 2)
    store.put("a", content)
    assert store.get("a") == content
    # A put whose answer was lost is found done by the second try.
    assert len(pauses) == (1 if fault == "lost" and size == 1000 else 2)
    assert all(0.25 * 2**n <= pause <= 0.75 * 2**n for n, pause in enumerate(pauses))
    assert oss.uploads == {}


@pytest.mark.parametrize("kind", ["lost", "damaged", "unavailable"])
def test_trouble_at_the_last_step_of_a_large_upload_leaves_the_content_whole(store, oss, kind):
    content = bytes(range(250)) * 1000
    oss.fail("", "POST")  # the first step passes
    oss.fail(kind, "POST")
    if kind == "damaged":  # the store's own content is wrong: it is taken away, and the caller told
        with pytest.raises(ObjectStoreError):
            store.put("a", content)
        assert oss.objects == {}
    else:
        store.put("a", content)
        assert oss.objects == {"a": content}


@pytest.mark.parametrize("fault", ["unavailable", "silent", "truncated", "damaged"])
def test_what_does_not_pass_is_told_after_the_last_try(store, oss, pauses, fault):
    oss.objects["a"] = b"x" * 1000
    oss.fail(fault, "GET", 99)
    with pytest.raises(ObjectStoreError, match=f"oss://{BUCKET}/a at http://127"):
        store.get("a")
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("OSS_ACCESS_KEY_SECRET", "wr0ng-secret", "Check OSS_ACCESS_KEY_SECRET"),
        ("OSS_REGION", "cn-other", "OSS_REGION"),
    ],
)
def test_a_refusal_is_told_at_once_without_secrets(variables, oss, variable, value, remedy):
    variables.setenv(variable, value)
    store, _ = open_store(f"oss://{BUCKET}/x")
    with pytest.raises(ObjectStoreError, match=remedy) as error:
        store.get("a")
    assert "wr0ng" not in str(error.value)
    assert "secret details" not in str(error.value)
    assert oss.seen == []


def test_what_is_not_there_is_named(store):
    with pytest.raises(ObjectStoreError, match=r"NoSuchKey.*Check the prefix"):
        store.get("nowhere")


@pytest.mark.parametrize("name", ["OSS_ENDPOINT", "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET"])
def test_what_the_environment_lacks_is_named(variables, name):
    variables.delenv(name)
    with pytest.raises(ObjectStoreError, match=f"found no {name}"):
        open_store(f"oss://{BUCKET}")


@pytest.mark.parametrize("url", ["s3://bucket/x", "oss://", "bucket"])
def test_another_kind_of_url_is_refused(url):
    with pytest.raises(ObjectStoreError, match="expected oss://bucket/prefix"):
        open_store(url)


def test_the_region_is_read_from_an_aliyun_endpoint(variables):
    variables.delenv("OSS_REGION")
    variables.setenv("OSS_ENDPOINT", "https://oss-cn-hangzhou-internal.aliyuncs.com")
    store, prefix = open_store("oss://shop/a/b/")
    assert (store.access.region, prefix) == ("cn-hangzhou", "a/b/")


def test_a_bucket_name_that_cannot_be_is_told(variables):
    with pytest.raises(ObjectStoreError, match="a bucket and an endpoint"):
        open_store("oss://Not_A_Bucket")
    assert objectstore.PART_BYTES >= 100 * 1024
    assert variables
