"""Whatever happens in a shop, after the last reading of its binlog the archive says what the shop says, uncompared.

25 histories; `VITRINE_TEST_HISTORIES=3000` tries as many new ones.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.pipeline.sources.binlog.followed import BINLOG_HISTORIES
from tests.pipeline.sources.histories import PATIENT, as_many_as

pytestmark = pytest.mark.slow


@PATIENT
@as_many_as(25)
@given(BINLOG_HISTORIES)
def test_the_archive_equals_a_shop_that_is_followed(followed, tmp_path_factory, history):
    work = tmp_path_factory.mktemp("history")
    shop = followed(work_dir=work / "work")
    for operation in history:
        shop.apply(operation)
    shop.finish()
    assert shop.differences() == {}
