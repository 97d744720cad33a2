"""The pass as a whole: the same twice, whole again after a loss, whole after a kill, one at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from feature_store.errors import VitrineError
from feature_store.online.connect import open_reader
from feature_store.snapshot import read_snapshot
from pipeline.day_run import SOURCE_STAGES, STAGES, load_stage, run, run_and_record
from pipeline.recommender.recommend import Request, recommend
from pipeline.recommender.release import current, load_release
from tests.pipeline.conftest import DAY, SMALL

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import datetime as dt, json, os, signal, sys
from pathlib import Path
from pipeline.day_run import STAGES, load_stage
from pipeline.configuration import load_settings

work, victim, renames = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
settings = load_settings(arguments={**json.loads(sys.argv[4]), "work_dir": work})
seen = 0

def kill(event, _arguments):
    # Every file and folder becomes visible by a rename: dying just before one is the worst moment there is.
    global seen
    if event == "os.rename":
        seen += 1
        if seen == renames:
            os.kill(os.getpid(), signal.SIGKILL)

load_stage(victim)  # what importing renames does not count
sys.addaudithook(kill)
load_stage(victim)(dt.date(2017, 11, 5), settings)
print(seen)
"""

UNEQUAL = (".pointer.lock", "decision.json", "report.html")
KILLED_WHEN_WRITING = """
import datetime as dt, json, os, signal, sys
from pathlib import Path
from pipeline import knowledge
from pipeline.configuration import load_settings
from pipeline.stages import sync

settings = load_settings(arguments={**json.loads(sys.argv[2]), "work_dir": Path(sys.argv[1])})
records = 0

def dying(frame, event, _argument):
    # The tenth record that sync asks for is its last: nine are written, or about to be.
    global records
    if event == "call" and frame.f_code is knowledge.record_of.__code__:
        records += 1
        if records == 10:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(dying)
sync.sync(dt.date(2017, 11, 5), settings)
"""


def kill_in(stage: str, work: Path, renames: int) -> int | None:
    """Run `stage`, killed before its n-th rename; how many renames it made when it lived to the end."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(work), stage, str(renames), json.dumps(SMALL)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    if done.returncode == 0:
        return int(done.stdout.split()[-1])
    assert done.returncode == -9, done.stderr
    return None


def content(folder: Path) -> dict[str, str]:
    """Every partition and release below a work folder, by the bytes it holds; the gate's decision holds a duration, and
    the report shows it.
    """
    layers = ("raw", "clean", "features", "train", "recall", "evaluation", "releases")
    paths = [path for layer in layers for path in sorted((folder / layer).rglob("*"))]
    files = [path for path in paths if path.is_file() and path.name not in UNEQUAL]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def answer(settings, user: str):
    """What serving would answer: the release in use, the record of the online store."""

    async def read():
        reader = open_reader(settings.online_url, settings.online_prefix, 5000, settings.online_history.bounds())
        try:
            return (await reader.read(user)).record
        finally:
            await reader.close()

    record = asyncio.run(read())
    assert record is not None
    release = load_release(settings.releases / current(settings.releases))
    return recommend(Request(user, release.manifest.as_of), release, record)


def a_user(settings) -> str:
    return str(read_snapshot(settings.workspace.features(DAY)).users[0])


@pytest.mark.slow
def test_the_same_day_and_settings_give_the_same_bytes(finished_run, tmp_path):
    """From raw rows to the release: nothing depends on the clock, on hashing or on the order of threads."""
    settings = finished_run.copy(tmp_path, before="extract")
    list(run(DAY, settings))
    assert content(settings.work_dir) == content(finished_run.folder / "work")


@pytest.mark.slow
def test_running_again_changes_nothing(finished_run, tmp_path):
    settings = finished_run.copy(tmp_path)
    before = content(settings.work_dir)
    assert [result.stage for result in run(DAY, settings)] == list(STAGES)
    assert content(settings.work_dir) == before


@pytest.mark.slow
def test_another_seed_gives_another_release(finished_run, tmp_path):
    """Whether it goes into use is for the gate to say: another seed may rank worse."""
    settings = finished_run.copy(tmp_path, seed=7)
    before = current(settings.releases)
    for name in ("train", "evaluate", "publish"):
        load_stage(name)(DAY, settings)
    made = {path.parent.name for path in settings.releases.glob("*/manifest.json")}
    assert len(made - {before}) == 1


@pytest.mark.slow
def test_a_lost_online_store_is_whole_again_by_sync_only(finished_run, tmp_path):
    """The source is gone as well: nothing may ask for it."""
    settings = finished_run.copy(tmp_path)
    user = a_user(settings)
    before = answer(settings, user)
    for lost in settings.work_dir.glob("feature_store.db*"):
        lost.unlink()
    shutil.rmtree(settings.workspace.demo_shop.parent)
    results = run_and_record(DAY, settings, sync_only=True)
    assert [result.stage for result in results] == [name for name in STAGES if name not in SOURCE_STAGES]
    assert answer(settings, user) == before
    assert not settings.workspace.demo_shop.exists()


@pytest.mark.slow
def test_a_lost_redis_is_whole_again_by_sync_only(finished_run, tmp_path, redis_prefix):
    url, prefix = redis_prefix
    settings = finished_run.copy(tmp_path, online_store_url=url, online_prefix=prefix)
    results = list(run(DAY, settings, sync_only=True))
    assert results[-1].stage == "reload"
    assert answer(settings, a_user(settings)) == answer(finished_run.copy(tmp_path / "file"), a_user(settings))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_twice_in_every_stage_gives_the_same_release(finished_run, tmp_path):
    """Before what a stage makes first becomes visible, and, when it is run again, before what it makes last does."""
    counted = finished_run.copy(tmp_path / "count", before="extract")
    settings = finished_run.copy(tmp_path / "killed", before="extract")
    for stage in STAGES[STAGES.index("extract") :]:
        renames = kill_in(stage, counted.work_dir, -1)
        assert renames or stage in ("sync", "reload"), f"{stage} makes nothing visible"
        for nth in sorted({1, renames} if renames else ()):
            assert kill_in(stage, settings.work_dir, nth) is None, f"{stage} lived to its end"
        load_stage(stage)(DAY, settings)
    assert [result.stage for result in run(DAY, settings)] == list(STAGES)
    assert content(settings.work_dir) == content(finished_run.folder / "work")
    assert answer(settings, a_user(settings)) == answer(finished_run.copy(tmp_path / "whole"), a_user(settings))


@pytest.mark.slow
def test_a_sync_killed_half_way_and_run_again_answers_as_one_that_was_not(finished_run, tmp_path):
    """Nothing of a sync is renamed: the store's own transactions keep it whole, so it dies between two records."""
    settings = finished_run.copy(tmp_path, before="sync")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_WHEN_WRITING, str(settings.work_dir), json.dumps(SMALL)]
    ) as process:
        assert process.wait(timeout=120) == -9
    list(run(DAY, settings))
    assert content(settings.work_dir) == content(finished_run.folder / "work")
    assert answer(settings, a_user(settings)) == answer(finished_run.copy(tmp_path / "whole"), a_user(settings))


@pytest.mark.slow
def test_the_run_leaves_its_metrics_for_prometheus(finished_run, tmp_path):
    settings = finished_run.copy(tmp_path)
    run_and_record(DAY, settings, sync_only=True)
    text = (settings.work_dir / "metrics" / "vitrine.prom").read_text()
    assert 'vitrine_stage_seconds{stage="train"}' in text
    assert 'vitrine_evaluation{metric="ndcg@20",model="release"}' in text


def test_a_stage_that_fails_leaves_the_last_good_release(finished_run, tmp_path):
    settings = finished_run.copy(tmp_path)
    before = content(settings.work_dir)
    victim = settings.workspace.partition(settings.workspace.clean, "events", DAY)
    good = victim.read_bytes()
    victim.write_bytes(b"no parquet")
    with pytest.raises(VitrineError, match="events"):
        load_stage("features")(DAY, settings)
    victim.write_bytes(good)
    assert content(settings.work_dir) == before


@pytest.mark.parametrize(
    ("stage", "missing"), [("sync", "features"), ("recall", "features"), ("evaluate", "train"), ("publish", "recall")]
)
def test_a_missing_partition_is_named_with_the_stage_that_makes_it(finished_run, tmp_path, stage, missing):
    settings = finished_run.copy(tmp_path)
    shutil.rmtree(getattr(settings.workspace, missing)(DAY))
    with pytest.raises(VitrineError, match=f"{missing}.*vitrine stage {missing}"):
        load_stage(stage)(DAY, settings)


@pytest.mark.slow
def test_live_the_ranker_is_judged_on_the_days_before(finished_run, tmp_path):
    """`preceding`: no row after the day is read, and the release still carries features of the day itself."""
    settings = finished_run.copy(tmp_path, evaluation={"holdout": "preceding"})
    later = [path for path in settings.workspace.clean.glob("*/day=*") if path.name > f"day={DAY}"]
    for folder in later:
        shutil.rmtree(folder)
    for name in STAGES[STAGES.index("features") :]:
        load_stage(name)(DAY, settings)
    report = json.loads((settings.workspace.evaluation(DAY) / "metrics.json").read_text())
    assert report["judged"] == ["2017-10-30", "2017-11-05"]
    release = load_release(settings.releases / current(settings.releases))
    assert release.manifest.as_of == int(dt.datetime(2017, 11, 6, tzinfo=dt.UTC).timestamp())
    assert recommend(Request("nobody", release.manifest.as_of), release, None).items
