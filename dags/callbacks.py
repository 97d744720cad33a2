"""What happens when a task or a run fails: one line an operator can act on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)
RUNBOOK = "docs/runbook.md#a-task-of-the-dag-failed"


def log_failure(context: Context) -> None:
    """Log what failed (a task, or the run as a whole), of which run, why, and where help is written."""
    task = context.get("task_instance")
    what = f"task {task.task_id}" if task else "the run"
    log.error(
        "%s of %s failed in %s: %s. See %s",
        what,
        context["dag"].dag_id,
        context["run_id"],
        context.get("exception") or context.get("reason") or "no reason given",
        RUNBOOK,
    )
