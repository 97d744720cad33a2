"""Logs carry fields, for people and for machines."""

from __future__ import annotations

import json
import logging

import pytest

from pipeline.logs import ConsoleFormatter, JsonFormatter


@pytest.fixture
def record():
    made = logging.makeLogRecord({"name": "pipeline.x", "levelname": "INFO", "msg": "features written", "created": 1.5})
    made.rows = 7
    return made


def test_json_is_one_object_a_line_with_time_and_fields(record):
    entry = json.loads(JsonFormatter().format(record))
    assert entry == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "level": "INFO",
        "logger": "pipeline.x",
        "event": "features written",
        "rows": 7,
    }


def test_a_person_reads_event_and_fields(record):
    assert ConsoleFormatter().format(record) == "info    features written rows=7"
