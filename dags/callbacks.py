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
    # A run that fails has a reason, and the task that ended it beside it; a task that fails has an exception.
    reason = context.get("reason")
    what = "the run" if reason else f"task {context['task_instance'].task_id}"
    why = reason or context.get("exception") or "no reason given"
    log.error("%s of %s failed in %s: %s (see %s)", what, context["dag"].dag_id, context["run_id"], why, RUNBOOK)
