"""Every metric Vitrine exposes: name, labels, meaning. Dashboards and alerts may use these and no others.

Serving metrics are scraped from `GET /metrics`; pipeline metrics are a Prometheus text file that a run leaves in
`<work_dir>/metrics/vitrine.prom`, and what validation leaves in `quality.prom` beside it, for the node exporter's
textfile collector. User ids are never labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()


REQUEST_BUCKETS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)

REQUESTS = Metric("vitrine_requests_total", "counter", "Answers by path and HTTP status.", ("path", "status"))
REQUEST_SECONDS = Metric("vitrine_request_seconds", "histogram", "Seconds from request to answer.", ("path",))
RECOMMENDATIONS = Metric(
    "vitrine_recommendations_total", "counter", "Lists given, by degradation.", ("scene", "degrade_level")
)
STORE_SECONDS = Metric("vitrine_online_store_seconds", "histogram", "Seconds of one read of the online store.")
STORE_ERRORS = Metric(
    "vitrine_online_store_errors_total", "counter", "Reads of the online store that failed or came too late."
)
RELOADS = Metric(
    "vitrine_reloads_total", "counter", "Reload attempts by outcome: swapped, unchanged or refused.", ("outcome",)
)
RELEASE_INFO = Metric("vitrine_release_info", "gauge", "1 for the release in use.", ("release", "feature_set"))
RELEASE_AGE = Metric(
    "vitrine_release_age_seconds", "gauge", "Seconds since the end of the day the release was made from."
)
FEATURE_FRESHNESS = Metric(
    "vitrine_feature_freshness_seconds", "gauge", "Seconds since the as-of time of the online vectors."
)

ONLINE_INFO = Metric(
    "vitrine_online_store_info", "gauge", "1 for the version that readers see.", ("version", "feature_set")
)
ONLINE_VECTORS = Metric("vitrine_online_vectors", "gauge", "Users whose vectors the online store holds.")
EXPOSURES = Metric(
    "vitrine_exposures_total", "counter", "Answers for the exposure log: written, dropped or failed.", ("outcome",)
)

ONLINE_BYTES = Metric("vitrine_online_bytes_per_user", "gauge", "Bytes of a packed record, mean of the last sync.")
ONLINE_LEFT_OUT = Metric(
    "vitrine_online_users_left_out", "gauge", "Users for whom the last sync's memory budget had no room."
)
SKEW_SHARE = Metric(
    "vitrine_skew_share",
    "gauge",
    "Of the worst feature, the share of served vectors that training would have made otherwise, as last found.",
)
SKEW_VECTORS = Metric("vitrine_skew_vectors", "gauge", "Served vectors that the last run compared with training.")
STAGE_SECONDS = Metric("vitrine_stage_seconds", "gauge", "Seconds of a stage in the last run.", ("stage",))
STAGE_ROWS = Metric("vitrine_stage_rows", "gauge", "Rows a stage wrote in the last run.", ("stage",))
STAGE_MEMORY = Metric(
    "vitrine_stage_peak_memory_bytes", "gauge", "Peak resident memory of a stage in the last run.", ("stage",)
)
RUN_DAY = Metric("vitrine_run_day_timestamp_seconds", "gauge", "End of the day of the last run that finished.")
RUN_FINISHED = Metric("vitrine_run_finished_timestamp_seconds", "gauge", "When the last run finished.")
EVALUATION = Metric("vitrine_evaluation", "gauge", "Offline metrics of the last run.", ("model", "metric"))

QUALITY_SCORE = Metric("vitrine_quality_score", "gauge", "Quality of the last judged day, 0 to 100.")
QUALITY_MINIMUM = Metric("vitrine_quality_minimum", "gauge", "The score below which a run stops.")
QUALITY_PART = Metric("vitrine_quality_part", "gauge", "One part of the score, 0 to 100.", ("part",))
QUALITY_EXPECTATIONS = Metric(
    "vitrine_quality_expectations", "gauge", "Expectations of the last judged day: met or broken.", ("outcome",)
)
QUALITY_DAY = Metric("vitrine_quality_day_timestamp_seconds", "gauge", "End of the last judged day.")

SERVING = (
    REQUESTS,
    REQUEST_SECONDS,
    RECOMMENDATIONS,
    STORE_SECONDS,
    STORE_ERRORS,
    RELOADS,
    RELEASE_INFO,
    RELEASE_AGE,
    FEATURE_FRESHNESS,
    ONLINE_INFO,
    ONLINE_VECTORS,
    EXPOSURES,
)
PIPELINE = (
    ONLINE_BYTES,
    ONLINE_LEFT_OUT,
    SKEW_SHARE,
    SKEW_VECTORS,
    STAGE_SECONDS,
    STAGE_ROWS,
    STAGE_MEMORY,
    RUN_DAY,
    RUN_FINISHED,
    EVALUATION,
)
QUALITY = (QUALITY_SCORE, QUALITY_MINIMUM, QUALITY_PART, QUALITY_EXPECTATIONS, QUALITY_DAY)
