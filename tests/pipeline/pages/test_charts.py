import re
from xml.etree import ElementTree as ET

import pytest

from pipeline.pages.charts import Bar, alone, bar_chart, line_chart
from tests.pages import Page


def of(chart, tag, name):
    """The attribute `name` of each element `tag`."""
    return [value for at, attribute, value in Page(chart).attributes if (at, attribute) == (tag, name)]


def test_bars_are_as_long_as_their_values_and_intervals_lie_over_them():
    chart = bar_chart([Bar("a", 2.0), Bar("b", 1.0, 0.5, 1.5)], says="x")
    long, short = map(float, of(chart, "rect", "width"))
    assert long == pytest.approx(2 * short, abs=0.1)
    (start,), (end,) = of(chart, "line", "x1"), of(chart, "line", "x2")
    assert float(end) - float(start) == pytest.approx(short, abs=0.1)


def test_a_line_goes_through_its_points_upwards():
    chart = line_chart({"a": [(1, 0.0), (2, 0.1), (3, 0.2)]}, x="k", y="ndcg")
    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", of(chart, "polyline", "points")[0])]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)


def test_names_are_text_whatever_they_hold():
    hostile = '"><script>alert(1)</script>'
    for chart in (bar_chart([Bar(hostile, 1.0)], says=hostile), line_chart({hostile: [(1, 1)]}, x=hostile, y=hostile)):
        assert Page(chart).outside == []


def test_nothing_to_draw_is_no_chart():
    assert bar_chart([], says="x") == line_chart({}, x="k", y="v") == ""


def test_alone_it_is_a_whole_file():
    drawn = alone(bar_chart([Bar("a < b", 2.0)], says="x"))
    root = ET.fromstring(drawn)  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.find("{*}style") is not None
