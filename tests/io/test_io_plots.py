"""Plots: every value at its place, and well-formed SVG."""

import math
import xml.etree.ElementTree as ET

import pytest

from lapdepth.io.page import page
from lapdepth.io.plots import COLOURS, Axis, Series, plot, standalone

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*series, x=None, y=None, **options):
    text = plot("a < b", x or Axis("x", 0, 10), y or Axis("y", 0, 1), series, size=(160, 168), **options)
    return ET.fromstring(text)


def points(tree):
    """Points of each line, in the inner 100x100 (without legend)."""
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()] for line in tree.iter("polyline")]


def test_values_at_their_places():
    tree = drawn(Series([(0, 0.0), (5, 0.5), (10, 1.0)]))
    assert points(tree) == [[(0, 100), (50, 50), (100, 0)]]
    assert tree.get("aria-label") == "a < b"


def test_a_line_breaks_where_nothing_is():
    tree = drawn(Series([(0, 1.0), (1, None), (2, math.nan), (3, 0.0), (4, 0.0)], kind="dots"))
    assert points(tree) == [[(0, 0)], [(30, 100), (40, 100)]]
    assert len(list(tree.iter("circle"))) == 3


def test_equal_ratios_are_equal_steps():
    tree = drawn(Series([(1, 0.5), (10, 0.5), (100, 0.5)]), x=Axis("m", 1, 100, log=True))
    assert points(tree) == [[(0, 50), (50, 50), (100, 50)]]


def test_bars_reach_to_the_next():
    tree = drawn(Series([(0, 0.5), (5, 0.0), (8, 1.0), (10, None)], kind="bars"))
    bars = [[float(bar.get(key)) for key in ("x", "y", "width", "height")] for bar in tree.iter("rect")]
    assert bars == [[0, 50, 49, 50], [80, 0, 19, 100]]


def test_bands_and_legend():
    tree = drawn(Series([(0, 0.0)], "one & two", 1, "dashed"), Series([(0, 0.0)], "three", COLOURS + 2), bands=[(2, 4)])
    (band,) = [one for one in tree.iter("rect") if one.get("class") == "band"]
    assert (float(band.get("x")), float(band.get("width"))) == (20, 20)
    assert {"one & two", "three"} <= {text.text for text in tree.iter("text")}


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis("", 0, 80), [0, 20, 40, 60, 80]),
        (Axis("", -0.3, 0.3), [-0.2, 0, 0.2]),
        (Axis("", 0.5, 80, log=True), [0.5, 1, 2, 5, 10, 20, 50]),
        (Axis("", 1, 1e6, log=True), [1, 10, 100, 1e3, 1e4, 1e5, 1e6]),
    ],
)
def test_round_ticks(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


def test_a_file_of_its_own():
    tree = ET.fromstring(standalone([plot("t", Axis("", 0, 1), Axis("", 0, 1), [Series([(0, 0.5)])])] * 3))
    assert (tree.tag, tree.get("width"), tree.get("height")) == (f"{SVG}svg", "880", "500")
    assert "prefers-color-scheme" in tree.find(f"{SVG}style").text


def test_a_page_holds_its_style_and_script():
    text = page("a < b", "<p>x</p>", ".mine{}", "let a=1").decode()
    assert "<title>a &lt; b</title>" in text
    assert text.index(".mine{}") < text.index("<p>x</p><script>let a=1</script>")
