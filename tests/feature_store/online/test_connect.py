from __future__ import annotations

import asyncio

import pytest

from feature_store.errors import OnlineStoreError
from feature_store.online.connect import first_answer, open_reader, open_writer
from tests.feature_store.online.stores import BOUNDS

SECRET = "s3cret"


@pytest.mark.parametrize(
    "url", [f"mysql://me:{SECRET}@host/db", f"{SECRET}", "", f"memcached://{SECRET}", "sqlite://x"]
)
def test_an_unknown_scheme_is_a_clear_error_without_the_password(url: str) -> None:
    for call in (lambda: open_writer(url, "p"), lambda: open_reader(url, "p", 50, BOUNDS)):
        with pytest.raises(OnlineStoreError, match=r"redis://, .* or sqlite:///") as caught:
            call()
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url", [f"redis://:{SECRET}#x@127.0.0.1/0", f"redis://:{SECRET}@127.0.0.1:1/0", f"redis://[{SECRET}/0"]
)
def test_no_error_shows_the_password(url: str) -> None:
    async def read() -> None:
        reader = open_reader(url, "p", 200, BOUNDS)
        await reader.read("a")

    with pytest.raises(OnlineStoreError) as caught:
        asyncio.run(read())
    assert SECRET not in str(caught.value)


def test_the_first_reader_that_answers_is_believed(sqlite_store, tmp_path) -> None:
    sqlite_store.write("v1", ["a"], 1.0)
    lost = open_reader(f"sqlite:///{tmp_path / 'lost.db'}", "", 500, BOUNDS)
    whole = open_reader(sqlite_store.url, "", 500, BOUNDS)

    async def ask() -> None:
        found, errors = await first_answer([lost, whole], "a")
        assert float(found.record.values[0]) == 1.0
        assert len(errors) == 1
        found, errors = await first_answer([whole, lost], "nobody")
        assert (found.version, found.record, errors) == ("v1", None, [])
        found, errors = await first_answer([lost, lost], "a")
        assert found is None
        assert len(errors) == 2
        await lost.close()
        await whole.close()

    asyncio.run(ask())
