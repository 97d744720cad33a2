"""Without PySpark or Java, the choice of Spark says what to install."""

from __future__ import annotations

import sys

import pytest

from feature_store.engine.connect import open_engine
from feature_store.engine.spark import _conf, _cores, _megabytes, java_version
from feature_store.errors import EngineError


def test_without_pyspark_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EngineError, match=r"expected PySpark, found no package `pyspark`.*vitrine\[spark\]"):
        open_engine("spark")


def test_without_java_its_package_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_version() is None
    with pytest.raises(EngineError, match=r"expected Java 17 or later.*found no Java\. Install it"):
        open_engine("spark")


@pytest.mark.parametrize(("said", "version"), [('openjdk version "11.0.2"', 11), ('java version "1.8.0_292"', 8)])
def test_an_old_java_is_refused(monkeypatch, tmp_path, said, version) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_version() == version
    with pytest.raises(EngineError, match=f"found Java {version}"):
        open_engine("spark")


def test_memory_and_cores_are_read_as_duckdb_and_spark_write_them() -> None:
    assert [_megabytes(text) for text in ("1GB", "1.5 gb", "2GiB", "10MB")] == [1000, 1500, 2147, 512]
    assert [_cores(master) for master in ("local[2]", "local[3,4]", "local")] == [2, 3, 1]
    with pytest.raises(EngineError, match=r"compute\.memory_limit.*'80%'"):
        _megabytes("80%")


def test_a_master_that_is_none_is_refused(tmp_path) -> None:
    with pytest.raises(EngineError, match=r"compute\.spark_master: expected local.*found 'nonsense'"):
        _conf("nonsense", 512, tmp_path)
