"""Spark, for data that outgrows one machine: PySpark from the extra `spark`, and Java 17 or later.

Every engine starts a Java process and ends it when it is closed; what that prints goes to `spark.log` in the spill
folder. With a master other than `local[…]` the executors must see the work folder
under the same path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot

from feature_store.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import ibis.expr.types as ir
    from pyspark import SparkConf
    from pyspark.sql import SparkSession

LEAST_JAVA = 17
_LEAST_MEMORY_MB = 512
"""Spark refuses to start with less than 450 MB."""
_PARTITIONS_PER_CORE = 2
_MASTERS = r"(local(\[.+\])?|yarn)$|(spark|k8s)://"
_TO_MB = {"KB": 1e-3, "MB": 1, "GB": 1e3, "TB": 1e6, "KIB": 2**10 / 1e6, "MIB": 2**20 / 1e6, "GIB": 2**30 / 1e6}


class Spark:
    """One Spark session, whose time zone is UTC and whose temporary files lie in `spill`."""

    def __init__(self, master: str = "local[2]", memory_limit: str = "1GB", spill: Path | None = None) -> None:
        _need_spark()
        self.spill = (spill or Path(tempfile.gettempdir())).resolve()
        self.spill.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            import ibis
            from py4j.protocol import Py4JError
            from pyspark.errors import PySparkException

            self.failures: tuple[type[Exception], ...] = (PySparkException, Py4JError, pa.ArrowException, OSError)
            conf = _conf(master, _megabytes(memory_limit), self.spill)
            self._session, self._gateway = _start(conf, self.spill / "spark.log")
            self.connection = ibis.pyspark.connect(self._session)

    def rows(self, name: str, files: Sequence[str], moment: str) -> ir.Table:
        _check_columns(files)
        frame = self._session.read.parquet(*files)
        frame = frame.selectExpr("*", "_metadata.file_path AS filename", f"unix_seconds({moment}) AS seconds")
        view = f"{name}_files"
        frame.createOrReplaceTempView(view)
        return self.connection.table(view)

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        frame = self._session.sql(self._query(rows)).persist()
        frame.count()  # Spark is lazy: a file that cannot be read is found now, where it can be named
        frame.createOrReplaceTempView(name)
        return self.connection.table(name)

    def coded(self, name: str, rows: ir.Table, texts: Mapping[str, ir.Table], *, kept: bool) -> ir.Table:  # noqa: ARG002
        return self.keep(name, rows)  # in which Spark has dictionaries by itself

    def hashed(self, texts: ir.Column) -> ir.Column:
        import ibis
        import ibis.expr.datatypes as dt

        signature = ((dt.string,), dt.int64)
        return ibis.udf.scalar.builtin(_hash, name="xxhash64", signature=signature)(texts)

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        self._session.createDataFrame(rows).createOrReplaceTempView(name)
        return self.connection.table(name)

    def write(self, rows: ir.Table, folder: Path) -> None:
        self._session.sql(self._query(rows)).write.option("compression", "zstd").parquet(str(folder.resolve()))

    def files(self, name: str, *folders: Path) -> ir.Table:
        self._session.read.parquet(*(str(folder.resolve()) for folder in folders)).createOrReplaceTempView(name)
        return self.connection.table(name)

    def to_arrow(self, rows: ir.Table) -> pa.Table:
        # Not through Ibis' own way, which goes through pandas.
        return self._session.sql(self._query(rows)).toArrow().cast(rows.schema().to_pyarrow())

    def batches(self, rows: ir.Table) -> Iterator[pa.RecordBatch]:
        # By way of files: Spark hands over Arrow whole, or rows one by one.
        types = rows.schema().to_pyarrow()
        with tempfile.TemporaryDirectory(dir=self.spill) as folder:
            self.write(rows, Path(folder) / "rows")
            for part in sorted((Path(folder) / "rows").glob("*.parquet")):
                yield from (batch.cast(types) for batch in pq.ParquetFile(part).iter_batches())

    def _query(self, rows: ir.Table) -> str:
        """The expression in Spark's SQL, where `0.2` alone would be a decimal and divide to six digits."""
        tree = sqlglot.parse_one(self.connection.compile(rows), dialect="spark")
        return str(tree.transform(_as_double).sql(dialect="spark"))

    def close(self) -> None:
        self._session.stop()
        _end(self._gateway)


def _hash(text: str) -> int:  # type: ignore[empty-body]  # Spark's own
    ...


def _as_double(node: sqlglot.Expression) -> sqlglot.Expression:
    fraction = isinstance(node, sqlglot.exp.Literal) and not node.is_string and not node.is_int
    return sqlglot.exp.cast(node.copy(), "double") if fraction else node


def _check_columns(files: Sequence[str]) -> None:
    """Where a file lacks a column Spark would read nulls."""
    expected = pq.read_schema(files[0]).names
    for path in files[1:]:
        if missing := [name for name in expected if name not in pq.read_schema(path).names]:
            raise pa.ArrowInvalid(f"{path} has no column {', '.join(missing)}")


def _start(conf: SparkConf, log: Path) -> tuple[SparkSession, Any]:
    """A session in a Java process of its own; what that prints goes to `log`.

    Raises:
        EngineError: it does not start (says what was the matter).
    """
    from pyspark import SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    gateway = None
    try:
        with log.open("ab") as printed:
            gateway = launch_gateway(conf, {"stdout": printed, "stderr": printed})
        return SparkSession(SparkContext(conf=conf, gateway=gateway)), gateway
    except Exception as error:
        # Whatever a cluster, Java or the network says, somebody must look at the master.
        said = " ".join(str(error).strip().split("\n")[:2])  # Py4J: what was called, then what was wrong
        if gateway is not None:
            _end(gateway)  # only now: an error of Java's asks Java for its text
        raise EngineError(
            "compute.engine spark",
            expected=f"a session of {conf.get('spark.master')}",
            found=f"{said} (see {log})",
            remedy="Mend `compute.spark_master`, or set `compute.engine: duckdb`.",
        ) from error


def _end(gateway: Any) -> None:  # noqa: ANN401 - Py4J's gateway is untyped
    """End the Java process, which PySpark by itself keeps until this process ends, with all its memory."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    with suppress(Py4JError, OSError):  # a Spark that gave up has ended it already
        gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001 - the next session starts a Java of its own


def _conf(master: str, megabytes: int, spill: Path) -> SparkConf:
    from pyspark import SparkConf

    if not re.match(_MASTERS, master):
        raise EngineError(
            "compute.spark_master",
            expected="local[cores], spark://host:port, k8s://… or yarn",
            found=repr(master),
            remedy="Mend it.",
        )
    options: dict[str, Any] = {
        "spark.app.name": "vitrine",
        "spark.master": master,
        "spark.driver.memory": f"{megabytes}m",
        "spark.driver.maxResultSize": 0,  # snapshots are handed over whole, as with DuckDB
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={spill} -XX:-UsePerfData",
        "spark.local.dir": spill,
        "spark.sql.warehouse.dir": spill / "spark-warehouse",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if master.startswith("local"):
        options["spark.driver.host"] = options["spark.driver.bindAddress"] = "127.0.0.1"
        options["spark.sql.shuffle.partitions"] = _PARTITIONS_PER_CORE * _cores(master)
    conf = SparkConf(loadDefaults=False)
    for name, value in options.items():
        conf.set(name, str(value))
    return conf


def _cores(master: str) -> int:
    found = re.fullmatch(r"local\[(\d+|\*)[^\]]*\]", master)
    if found is None:
        return 1
    return (os.cpu_count() or 1) if found[1] == "*" else int(found[1])


def _megabytes(memory_limit: str) -> int:
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]I?B)\s*", memory_limit.upper())
    if found is None or found[2] not in _TO_MB:
        raise EngineError(
            "compute.memory_limit",
            expected="a number and KB, MB, GB, KiB, MiB or GiB",
            found=repr(memory_limit),
            remedy="Write it as `1GB`.",
        )
    return max(int(float(found[1]) * _TO_MB[found[2]]), _LEAST_MEMORY_MB)


def _need_spark() -> None:
    """
    Raises:
        EngineError: PySpark or Java is missing, or Java is too old.
    """
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise EngineError(
            "compute.engine spark",
            expected="PySpark",
            found="no package `pyspark`",
            remedy="Install the extra: `pip install 'vitrine[spark]'`, or set `compute.engine: duckdb`.",
        ) from error
    version = java_version()
    if version is None or version < LEAST_JAVA:
        raise EngineError(
            "compute.engine spark",
            expected=f"Java {LEAST_JAVA} or later, by JAVA_HOME or on the PATH",
            found="no Java" if version is None else f"Java {version}",
            remedy="Install it (Debian: openjdk-17-jre-headless), or set `compute.engine: duckdb`.",
        )


def java_version() -> int | None:
    """The major version of the Java that Spark would start, None where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        return None
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - Java itself
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr)
    return int(found[1]) if found else None
