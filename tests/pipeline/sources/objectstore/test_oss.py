"""What only Aliyun OSS has."""

import pytest

from pipeline.errors import ObjectStoreError
from pipeline.sources.objectstore.store import open_store


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://oss-cn-hangzhou-internal.aliyuncs.com", "cn-hangzhou"),
        ("https://oss-eu-central-1.aliyuncs.com", "eu-central-1"),
        ("https://oss-accelerate.aliyuncs.com", None),
    ],
)
def test_the_region_is_read_from_an_aliyun_endpoint(oss, variables, endpoint, region):
    variables.delenv("OSS_REGION")
    variables.setenv("OSS_ENDPOINT", endpoint)
    store, _ = open_store("oss://shop/a/b/")
    assert store.access.region == region
    assert oss.seen == []


def test_a_bucket_name_that_cannot_be_is_told(oss):
    with pytest.raises(ObjectStoreError, match="a bucket and an endpoint"):
        open_store("oss://Not_A_Bucket")
    assert oss.seen == []
