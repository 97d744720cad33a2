"""The stage that fills the online store, as far as the stores themselves do not promise it."""

from __future__ import annotations

import datetime as dt

from feature_store.made_from import MADE_FROM
from pipeline.stages.sync import version_name

DAY = dt.date(2017, 11, 5)


def test_a_version_is_named_by_what_its_snapshot_was_made_from(tmp_path) -> None:
    (tmp_path / MADE_FROM).write_text("{}")
    name = version_name(DAY, tmp_path)
    assert name == version_name(DAY, tmp_path)
    assert name.startswith("20171105-")
    (tmp_path / MADE_FROM).write_text('{"events/2017-11-05": "1a"}')
    assert version_name(DAY, tmp_path) != name
