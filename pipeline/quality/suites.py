"""Great Expectations at work: suites from our expectations, their results, Data Docs. Slow to import: only in here."""

from __future__ import annotations

import datetime as dt
import logging
import os
import warnings
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from pipeline.quality.expectations import Expectation


_COUNTS = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
"""Counts and shares alone: Data Docs with samples of the rows would keep ids of users who are to be forgotten."""


@dataclass(frozen=True)
class Finding:
    """What became of an expectation."""

    expectation: Expectation
    met: bool
    unexpected: float
    """Share of the looked-at values that break it, 0 to 1."""


def judge(
    expectations: Sequence[Expectation], frames: Mapping[str, pd.DataFrame], day: dt.date, docs: Path
) -> list[Finding]:
    """Every expectation checked against its suite's frame; Data Docs are written to the folder `docs`.

    Nothing is sent anywhere: the context lives in memory, and analytics are off before the library is imported.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # Version 1.24 imports sre_constants and uses parts of pandas and marshmallow that are on their way out.
        warnings.simplefilter("ignore")
        return _judge(expectations, frames, day, docs)


def _judge(
    expectations: Sequence[Expectation], frames: Mapping[str, pd.DataFrame], day: dt.date, docs: Path
) -> list[Finding]:
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier

    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # at import it decides to tell of its folders
    context = _context(docs)
    source = context.data_sources.add_pandas("clean")
    # The moment of the run is the end of its day, so that a page does not change when a day is judged again.
    moment = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    findings: list[Finding] = []
    for name, group in groupby(expectations, key=lambda each: each.suite):
        own = list(group)
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(str(day))
        numbered = [_expectation(number, each) for number, each in enumerate(own)]
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=numbered))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        result = definition.run(
            batch_parameters={"dataframe": frames[name]},
            result_format=_COUNTS,
            run_id=RunIdentifier(run_name=str(day), run_time=moment),
        )
        by_number = {each.expectation_config.meta["number"]: each for each in result.results}
        findings += [_finding(each, by_number[number]) for number, each in enumerate(own)]
    context.build_data_docs()
    return findings


def _context(docs: Path) -> Any:  # noqa: ANN401 -- its types cannot be named without importing it
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for site in list(context.get_site_names()):
        context.delete_data_docs_site(site)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(
        "docs", {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    )
    return context


def _expectation(number: int, expectation: Expectation) -> Any:  # noqa: ANN401 -- as above
    import great_expectations.expectations as kinds

    meta = {"number": number, "part": expectation.part}
    return getattr(kinds, expectation.kind)(**expectation.arguments, meta=meta, notes=expectation.says)


def _finding(expectation: Expectation, result: Any) -> Finding:  # noqa: ANN401 -- as above
    if _failed(result.exception_info):
        raise PipelineError(
            f"expectation `{expectation.says}` of suite `{expectation.suite}`",
            expected="a result of Great Expectations",
            found=str(result.exception_info),
            remedy="Set `quality.expectations: false` to go on without them, and report this.",
        )
    return Finding(expectation, bool(result.success), float(result.result.get("unexpected_percent") or 0.0) / 100)


def _failed(information: Mapping[str, Any]) -> bool:
    """Great Expectations tells of one exception, or of one for each number that it could not compute."""
    each = [information] if "raised_exception" in information else information.values()
    return any(one.get("raised_exception") for one in each)
