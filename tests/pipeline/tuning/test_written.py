"""What a search found stands in the settings with how it was found, and nothing else moves."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
import yaml

from pipeline.evaluation.intervals import Interval
from pipeline.tuning.ranker import Tuned
from pipeline.tuning.written import found_by, with_choices

TUNED = Tuned({"trees": 9}, {"trees": 3}, 0.3, 0.25, Interval(0.05, 0.01, 0.09), 12, (dt.date(2017, 10, 16),))
PLAIN = "# Ours.\nseed: 3            # why not\ncompute:\n  threads: 2\n"


def test_the_sentence_says_when_how_and_how_much() -> None:
    said = found_by(TUNED, dt.date(2026, 11, 22))
    for part in ("2026-11-22", "12 trials", "2017-10-16", "0.3000 against 0.2500", "+0.0500", "+0.0100 to +0.0900"):
        assert part in said


def test_a_search_that_found_nothing_better_says_so() -> None:
    kept = replace(TUNED, best=TUNED.present, ndcg=0.25, difference=Interval(0.0, 0.0, 0.0))
    assert "none of 12 trials was better" in found_by(kept, dt.date(2026, 11, 22))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        f"{PLAIN}training:\n  weeks: 4\n",
        f"{PLAIN}training:\n  # old\n  lightgbm: {{trees: 1}}\n  weeks: 4\nlog: {{level: INFO}}\n",
        f"{PLAIN}training:\n  weeks: 4\n  lightgbm:\n    trees: 1\n    leaves: 2\n\nlog:\n  level: INFO\n",
    ],
)
def test_the_section_is_set_and_everything_else_stays(text: str) -> None:
    found = with_choices(text, "lightgbm", {"trees": 9, "rate": 0.1}, found_by(TUNED, dt.date(2026, 11, 22)))
    wanted = yaml.safe_load(text)
    wanted.setdefault("training", {})["lightgbm"] = {"trees": 9, "rate": 0.1}
    assert yaml.safe_load(found) == wanted
    assert found.startswith(PLAIN)
    assert "# old" not in found
    assert max(map(len, found.splitlines())) <= 120
    assert with_choices(found, "lightgbm", {"trees": 9, "rate": 0.1}, "again").count("lightgbm:") == 1
