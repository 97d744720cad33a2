"""# Recommendation pipeline

Every night at 02:00 UTC the day that has just ended goes through the whole pass:
`extract → clean → validate → audit → features → sync → train → recall → evaluate → publish → reload`.
Each stage is a function of a day and of settings, overwrites its own partition atomically, and may be run again.

**Params**

* `day`: the day to run; empty means the day on which the run's data interval begins.
* `sync_only`: rebuild everything from the archived partitions. `extract`, `clean` and `validate` are skipped,
  no source is touched.

**Hazards**

* A run triggered without a logical date has no data interval: give it a `day`, or it fails at its first task.
* The demo shop ended in 2017: its nightly run, made as soon as the DAG is unpaused, fails. Trigger one with a `day`.
* Every run moves the pointers of the online store and of the release to its own day. Backfill in ascending order with
  `--max-active-runs 1`, and let the newest day run last.
* The day's lock is held per stage. A `vitrine run` of the same day, started by hand in between, makes the next task
  fail with the holder's name; the task is tried again after five minutes.
* A broken data contract, a leaking feature, a wrong setting and a day without data fail at once: trying again would
  find the same.

**Run again**

* One stage and what follows it: clear the task with its downstream tasks.
* One day: `airflow dags trigger recommendation_pipeline --conf '{"day": "2017-11-05"}'`.
* A lost online store: `airflow dags trigger recommendation_pipeline --conf '{"sync_only": true}'`.
* Many days, here the first to the fifth (the end is midnight, so the day after the last):
  `airflow backfill create --dag-id recommendation_pipeline --max-active-runs 1 --from-date 2017-11-01
  --to-date 2017-11-06`.
* Without Airflow: `./scripts/run_pipeline.sh --day 2017-11-05`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, cast

from airflow.sdk import CronDataIntervalTimetable, Param, TriggerRule, chain, dag, get_current_context, task

from dags.callbacks import log_failure

if TYPE_CHECKING:
    from dags.running import Summary

MINUTES = dt.timedelta(minutes=1)


@task(execution_timeout=2 * MINUTES)
def resolve_day() -> str:
    """The param `day`, else the day on which the data interval begins; never the clock."""
    from dags.running import day_of_run

    context = get_current_context()
    return day_of_run(context["params"]["day"], context.get("data_interval_start"))


@task.short_circuit(execution_timeout=2 * MINUTES, ignore_downstream_trigger_rules=False)
def read_sources() -> bool:
    """No under `sync_only`: then the demo and extract, clean and validate are skipped, and audit follows at once."""
    return not get_current_context()["params"]["sync_only"]


@task(execution_timeout=15 * MINUTES)
def demo(day: str) -> Summary:
    """The demo shop, loaded when no business database is configured and it is not there yet."""
    from dags.running import run
    from pipeline.stages.demo import demo

    return run(demo, day)


@task(execution_timeout=60 * MINUTES)
def extract(day: str) -> Summary:
    """New and changed rows of the sources, into raw Parquet partitions by day."""
    from dags.running import run
    from pipeline.stages.extract import extract

    return run(extract, day)


@task(execution_timeout=30 * MINUTES)
def clean(day: str) -> Summary:
    """Duplicates, wrong times and facts that are no purchases, repaired or left out, each counted."""
    from dags.running import run
    from pipeline.stages.clean import clean

    return run(clean, day)


@task(execution_timeout=30 * MINUTES)
def validate(day: str) -> Summary:
    """Data contracts: a broken one stops the run before anything is learned from it."""
    from dags.running import run
    from pipeline.stages.validate import validate

    return run(validate, day)


# After `read_sources` said no, validate is skipped and this is where the run goes on.
@task(execution_timeout=60 * MINUTES, trigger_rule=TriggerRule.NONE_FAILED)
def audit(day: str) -> Summary:
    """Leaks, when the features changed since none was found: one stops the run. What was served on the day, against
    what training makes of it: a difference has the gate refuse the release.
    """
    from dags.running import run
    from pipeline.stages.audit import audit

    return run(audit, day)


@task(execution_timeout=60 * MINUTES)
def features(day: str) -> Summary:
    """Every stored feature of every user and item as of the end of the day."""
    from dags.running import run
    from pipeline.stages.features import features

    return run(features, day)


@task(execution_timeout=30 * MINUTES)
def sync(day: str) -> Summary:
    """Vectors and recent history into the online store under a new version; then its pointer moves."""
    from dags.running import run
    from pipeline.stages.sync import sync

    return run(sync, day)


@task(execution_timeout=120 * MINUTES)
def train(day: str) -> Summary:
    """The ranker, on examples that saw only what was known before them."""
    from dags.running import run
    from pipeline.stages.train import train

    return run(train, day)


@task(execution_timeout=60 * MINUTES)
def recall(day: str) -> Summary:
    """The index of every recall source."""
    from dags.running import run
    from pipeline.stages.recall import recall

    return run(recall, day)


@task(execution_timeout=60 * MINUTES)
def evaluate(day: str) -> Summary:
    """Lists made as serving makes them, judged on held-out days beside the baselines."""
    from dags.running import run
    from pipeline.stages.evaluate import evaluate

    return run(evaluate, day)


@task(execution_timeout=15 * MINUTES)
def publish(day: str) -> Summary:
    """An immutable release with the SHA-256 of each file; then the pointer of the release in use moves."""
    from dags.running import run
    from pipeline.stages.publish import publish

    return run(publish, day)


@task(execution_timeout=10 * MINUTES)
def reload(day: str) -> Summary:
    """Serving loads, checks and swaps to the new release, or keeps the old one and says why."""
    from dags.running import run
    from pipeline.stages.reload import reload

    return run(reload, day)


@task(execution_timeout=2 * MINUTES)
def record(day: str) -> None:
    """Seconds, rows and memory of every stage that ran, and the day that is done, where Prometheus finds them."""
    from dags.running import record_run
    from pipeline.day_run import STAGES

    record_run(day, get_current_context()["ti"].xcom_pull(task_ids=list(STAGES)))


@dag(
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=dt.datetime(2016, 12, 31, tzinfo=dt.UTC),  # the demo data's first day; an earlier run would do nothing
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=12),
    on_failure_callback=log_failure,
    default_args={
        "owner": "vitrine",
        "retries": 2,
        "retry_delay": 5 * MINUTES,
        "on_failure_callback": log_failure,
        "max_active_tis_per_dag": 1,  # a backfill has its own number of runs, but one ledger, one store and one pointer
    },
    params={
        "sync_only": Param(False, type="boolean", description="Rebuild from the archive; touch no source."),
        "day": Param(None, type=["null", "string"], format="date", description="Empty: the interval's own day."),
    },
    doc_md=__doc__,
    tags=["vitrine"],
)
def recommendation_pipeline() -> None:
    resolved = resolve_day()
    day = cast("str", resolved)  # what the tasks below receive; here it is only a promise of it
    chain(
        *(resolved, read_sources()),
        *(demo(day), extract(day), clean(day), validate(day)),  # skipped under `sync_only`
        *(audit(day), features(day), sync(day), train(day), recall(day), evaluate(day), publish(day), reload(day)),
        record(day),
    )


recommendation_pipeline()
