import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.errors import ArchiveError
from feature_store.schema import TABLES
from pipeline.errors import DataContractError, DataQualityError
from pipeline.sources.archive import CLEAN, partition_file, write_partitions
from pipeline.sources.ledger import open_ledger
from pipeline.stages.clean import clean
from pipeline.stages.validate import validate
from tests.pipeline.stages.archives import DAY, archive_of, fingerprints


def report(made):
    return json.loads((made.workspace.reports(DAY) / "validate.json").read_text())


def with_actions(made, actions):
    return made.model_copy(update={"quality": made.quality.model_copy(update={"actions": actions})})


def spoil(made, name, column, value):
    """Put a value into the first two rows of a clean partition, as a cleaning rule with a fault would."""
    table = pq.ParquetFile(partition_file(made.workspace, CLEAN, name, DAY)).read()
    values = [value, value, *table[column].to_pylist()[2:]]
    index = table.schema.get_field_index(column)
    table = table.set_column(index, column, pa.array(values, table.schema.field(column).type))
    with open_ledger(made.workspace.ledger) as ledger, ledger.transaction():
        ledger.record_partitions(CLEAN, name, write_partitions(made.workspace, CLEAN, name, [(DAY, table)]))


def test_the_demo_shop_keeps_every_contract(archive):
    assert report(archive)["kept"]
    assert set(report(archive)["tables"]) == set(TABLES)
    assert report(archive)["tables"]["events"]["rows"] > 1000


def test_running_again_looks_at_nothing_and_changes_nothing(archive):
    before = archive_of(archive) | fingerprints(archive.workspace.reports(DAY))
    result = validate(DAY, archive)
    assert result.counts["partitions_validated"] == result.rows == 0
    assert archive_of(archive) | fingerprints(archive.workspace.reports(DAY)) == before


def test_a_broken_contract_stops_the_run_and_says_everything(archive):
    spoil(archive, "events", "value", -1.0)
    spoil(archive, "orders", "user_id", None)
    with pytest.raises(DataContractError) as error:
        validate(DAY, archive)
    message = str(error.value)
    rule = "events.value.not_negative: column `value` (0 or more)"
    assert f"{rule} in 2 rows, partitions 2017-01-10, the first: {{'event_id': " in message
    assert "orders.user_id.not_null: column `user_id` (not null) in 2 rows" in message
    assert not report(archive)["kept"]
    assert report(archive)["tables"]["events"]["breaks"][0]["counts"] == {str(DAY): 2}


def test_a_broken_contract_stops_the_next_run_too(archive):
    spoil(archive, "prices", "price", 0.0)
    for _ in range(2):
        with pytest.raises(DataContractError, match="price"):
            validate(DAY, archive)


def test_a_rule_that_warns_says_so_every_time_and_the_run_goes_on(archive):
    spoil(archive, "events", "value", -1.0)
    lenient = with_actions(archive, {"events.value.not_negative": "warn"})
    for looked_at in (True, False):
        result = validate(DAY, lenient)
        assert (result.counts["rows_warned_of"], result.rows > 0) == (2, looked_at)
        assert report(archive)["tables"]["events"]["warnings"] == {"events.value.not_negative": 2}
    with pytest.raises(DataContractError, match="value"):
        validate(DAY, archive)


def test_a_rule_that_sets_rows_aside_never_lets_them_into_the_clean_archive(archive):
    """The demo shop breaks nothing, so that its archive is the same whatever happens to what breaks."""
    before = archive_of(archive)
    strict = with_actions(archive, {"users.segment.type": "warn", "order_items.amount.positive": "quarantine"})
    clean(DAY, strict)
    assert archive_of(archive) == before
    assert not list(archive.workspace.quarantine.rglob("*.parquet"))
    validate(DAY, strict)
    clean(DAY, archive)
    assert archive_of(archive) == before


def test_validation_needs_no_source(archive):
    archive.workspace.demo_shop.unlink()
    with open_ledger(archive.workspace.ledger) as ledger:
        ledger.connection.execute("UPDATE partitions SET contract = NULL")
    assert validate(DAY, archive).rows == sum(table["rows"] for table in report(archive)["tables"].values())


def test_a_damaged_clean_partition_is_told_with_the_remedy(archive):
    path = partition_file(archive.workspace, CLEAN, "orders", DAY)
    path.write_bytes(b"rubbish")
    with pytest.raises(ArchiveError, match="vitrine stage clean") as error:
        validate(DAY, archive)
    assert str(path) in str(error.value)


def test_an_archive_that_was_never_cleaned_is_told(short):
    with pytest.raises(ArchiveError, match="none"):
        validate(DAY, short())


def quality(made):
    return json.loads((made.workspace.reports(DAY) / "quality.json").read_text())


def with_quality(made, **choices):
    return made.model_copy(update={"quality": made.quality.model_copy(update=choices)})


def test_the_demo_shop_is_good_and_says_how_good(archive):
    folder = archive.workspace.reports(DAY)
    assert quality(archive)["score"] >= 90
    assert quality(archive)["compared_with"][-1] == "2017-01-09"
    assert {"volume", "validity", "completeness", "uniqueness", "freshness"} <= set(quality(archive)["parts"])
    assert (folder / "expectations" / "index.html").is_file()
    assert len(list((folder / "expectations" / "validations").rglob("*.html"))) > 3
    page = (folder / "quality.html").read_text()
    assert not any(word in page for word in ("http", "src=", "@import", "<script"))


def test_the_quality_lies_where_prometheus_finds_it(archive):
    text = (archive.work_dir / "metrics" / "quality.prom").read_text()
    assert f"vitrine_quality_score {quality(archive)['score']}" in text
    assert 'vitrine_quality_part{part="volume"}' in text
    assert "vitrine_quality_expectations" in text


def test_what_comes_after_the_day_has_no_say(archive):
    """The archive reaches two days further; without them the judgement is the same."""
    assert quality(archive)["day"] == str(DAY)
    assert all(each < str(DAY) for each in quality(archive)["compared_with"])


def test_a_day_that_is_not_good_enough_stops_the_run_and_names_the_worst(archive):
    """Nine tenths of the day's events are lost after cleaning, and nothing breaks a contract."""
    table = pq.ParquetFile(partition_file(archive.workspace, CLEAN, "events", DAY)).read()
    few = [(DAY, table.slice(0, max(len(table) // 100, 1)))]
    with open_ledger(archive.workspace.ledger) as ledger, ledger.transaction():
        ledger.record_partitions(CLEAN, "events", write_partitions(archive.workspace, CLEAN, "events", few))
    strict = with_quality(archive, score=archive.quality.score.model_copy(update={"minimum_parts": {"volume": 90}}))
    for _ in range(2):
        with pytest.raises(DataQualityError, match=r"volume [\d.]+: events\.rows is \d+ \(rows of the day"):
            validate(DAY, strict)
    assert quality(archive)["parts"]["volume"] < 90
    assert issubclass(DataQualityError, DataContractError)


def test_without_expectations_there_is_no_score(archive):
    result = validate(DAY, with_quality(archive, expectations=False))
    assert "quality_score" not in result.counts


@pytest.mark.slow
def test_great_expectations_never_reach_for_the_network(archive):
    """Judged in a process of its own, in which every connection is an error."""
    (archive.workspace.reports(DAY) / "quality.json").unlink()
    code = (
        "import datetime, sys\n"
        "from pipeline.configuration import load_settings\n"
        "from pipeline.stages.validate import validate\n"
        "def refuse(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        print('NETWORK', event, arguments)\n"
        "        raise OSError('no network')\n"
        "sys.addaudithook(refuse)\n"
        f"choices = {{'work_dir': {str(archive.work_dir)!r}, 'evaluation': {{'horizon_days': 2}}}}\n"
        "made = load_settings(arguments=choices)\n"
        f"validate(datetime.date.fromisoformat('{DAY}'), made)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "NETWORK" not in run.stdout
    assert quality(archive)["score"] >= 90
