"""The report: what is in it, what is never mixed, and that it needs no network."""

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from lapdepth.camera import Intrinsics
from lapdepth.data.sample import Sample
from lapdepth.errors import InputError
from lapdepth.evaluation.distance import EDGES_M, DistanceCounter
from lapdepth.evaluation.drawing import FAR_RGB, NEAR_RGB, RIGHT_RGB, UNKNOWN_RGB, error_colours
from lapdepth.evaluation.evaluate import evaluate_part, summed
from lapdepth.evaluation.gallery import Gallery, Seen
from lapdepth.evaluation.metrics import METRICS, paired_differences
from lapdepth.evaluation.protocols import PROTOCOLS
from lapdepth.evaluation.published import ROWS, TEST_OF, published
from lapdepth.evaluation.record import record, record_of_several
from lapdepth.evaluation.report import write_page
from lapdepth.evaluation.tables import Scored

PLAIN = PROTOCOLS["plain"]


def sample(i, scene=None, size=(24, 36)):
    """Truth from 2 to 41 m; green tells it to the model."""
    depth_m = np.random.default_rng(i).integers(2, 42, size).astype(np.float32)
    image = np.zeros((*size, 3), np.uint8)
    image[..., 1] = depth_m
    image[..., 0] = i
    return Sample(f"picture<{i}>", scene or f"picture<{i}>", image, depth_m, Intrinsics.from_focal(size[1], size[0], 40.0))


def model(factor, sure=None):
    """Too far by `factor` times the number of the picture, in per cent."""

    def predict(image, camera):
        depth_m = image[..., 1].astype(np.float32) * np.float32(1 + factor * image[0, 0, 0] / 100)
        return depth_m, None if sure is None else np.full(depth_m.shape, sure, np.float32), depth_m > 0

    return predict


def scored(name, factor, sure=None, count=12, protocol=PLAIN, places=None, flip=False, aligned=False, scene=None):
    samples = ((i, sample(i, scene)) for i in range(count))
    done = summed([evaluate_part(model(factor, sure), samples, protocol, None, Gallery(4, places))], protocol)
    return Scored(name, "", flip, aligned, done)


class Reader(HTMLParser):
    """Counts tags and knows that they close."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.pictures = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        assert not {"href", "action", "onload"} & set(values)
        if "src" in values:
            self.pictures.append(values["src"])


def page(*models, official=False, named=False):
    return write_page(models, "a <b> list", named, official).decode()


# --- the page


def test_one_file_with_everything_inside():
    text = page(scored("default", 1, sure=0.6))
    read = Reader(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^']*", "", text))
    assert "default-src 'none'" in text
    assert len(read.pictures) == 8 * 4  # four of the worst and of the best: picture, truth, prediction, error
    for uri in read.pictures:
        kind, _, data = uri.partition(",")
        assert kind == "data:image/jpeg;base64"
        assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR).shape == (24, 36, 3)
    headings = ("Results", "Error by distance", "Confidence", "Edges and sky", "Worst pictures", "Best pictures", "All pictures")
    for heading in headings:
        assert f"<h2>{heading}" in text
    assert "prefers-color-scheme:dark" in text
    assert text.count("<svg class='plot'") == 5


def test_names_are_escaped():
    text = page(scored("<script>alert(1)</script>", 1), scored("b", 2))
    assert "<script>alert" not in text
    assert "a &lt;b&gt; list" in text
    assert "picture&lt;3&gt;" in text
    assert "<3>" not in text


def test_worst_and_best_come_in_order_and_all_pictures_are_listed():
    text = page(scored("m", 1))
    worst, best = text.index("Worst pictures"), text.index("Best pictures")
    found = [int(number) for number in re.findall(r"<h3>picture&lt;(\d+)&gt;", text[worst:best])]
    assert found == [11, 10, 9, 8]
    assert [int(number) for number in re.findall(r"<h3>picture&lt;(\d+)&gt;", text[best:])] == [0, 1, 2, 3]
    table = text[text.index("All pictures") :]
    assert table.count("<tr><td>picture") == 12
    assert table.count("<button>") == 3 + len(METRICS)
    assert "<td class=n>864<td class=n>0.1100" in table  # 24 x 36 pixels, 11 % too far


def test_a_model_without_confidence_says_so_and_has_no_diagram():
    text = page(scored("m", 1))
    assert "predicts no confidence" in text
    assert "Reliability" not in text


def test_a_report_without_sky_says_so():
    text = page(scored("m", 1))
    section = text[text.index("<h2>Edges and sky") :]
    assert "not known where it is" in section
    assert "by its looks" not in section


def test_several_models_show_the_same_pictures_and_differences():
    first = scored("one", 1, sure=0.9)
    # Best where the first is worst; its pictures are those chosen for the first.
    second = scored("two", 2, places=first.result.gallery.by_place())
    text = page(first, second)
    assert len(Reader(text).pictures) == 8 * 6
    assert "Differences to one" in text
    # Twice as far off: abs_rel is larger by its own mean, 5.5 %, for sure.
    assert re.search(r"class=no>\+0\.0550</span><br><small>\+0\.0\d+<br>to \+0\.0\d+<br>worse", text)
    assert "two" in text[text.index("<h2>Confidence") :]


def test_one_scene_has_no_intervals():
    text = page(scored("m", 1, scene="hall"), named=True)
    assert "One scene only" in text
    assert "95 % interval" not in text
    assert "No scenes are named" in page(scored("m", 1))
    assert "No scenes are named" not in page(scored("m", 1, scene=None), named=True)


def test_published_rows_stand_under_their_own_protocol():
    big = [sample(i, size=(480, 640)) for i in range(2)]
    done = summed([evaluate_part(model(0), enumerate(big), PROTOCOLS["nyu-eigen"])], PROTOCOLS["nyu-eigen"])
    text = page(Scored("m", "", False, False, done), official=True)
    same, other = (
        text.index("Published, same protocol<"),
        text.index("Published, other crops, crops not told or another alignment:"),
    )
    assert same < text.index("LapDepth ResNeXt101") < other < text.index("BTS ResNeXt101")
    assert "Published numbers of LapDepth average with the mirrored picture" in text
    assert "Marigold" not in text  # aligned to the truth: another quantity
    assert "other pictures than these" not in text
    assert "other pictures than these" in page(Scored("m", "", True, False, done))
    aligned = page(Scored("m", "", False, True, done))
    assert "Marigold" in aligned
    assert "same protocol" not in aligned  # no row in metres is of its kind
    assert "Published" not in page(scored("m", 1))  # there is none for a protocol of one's own


# --- rows of others


def test_published_rows_never_mix():
    for protocol, test in TEST_OF.items():
        for cap_m in (10.0, 50.0, 80.0):
            same, others = published(protocol, cap_m)
            assert all((row.protocol, row.cap_m, row.aligned, row.test) == (protocol, cap_m, False, test) for row in same)
            assert all(row.test == test and row.cap_m == cap_m and row.protocol != protocol for row in others)
    assert published("plain", 80.0) == ([], [])
    assert {row.method for row in published("kitti-garg", 80.0)[0]} == {"BTS ResNeXt101", "BTS DenseNet161"}
    (fifty,) = published("kitti-lapdepth", 50.0)[0]
    assert fifty.metrics == {"abs_rel": 0.057, "sq_rel": 0.155, "rmse": 1.788, "rmse_log": 0.085, "delta1": 0.970}
    assert all(set(row.metrics) <= set(METRICS) and row.source for row in ROWS)


# --- differences


def images(values, scenes=None):
    scenes = scenes or range(len(values))
    return [
        {"name": str(i), "scene": str(scene), **dict.fromkeys(METRICS, value)}
        for i, (value, scene) in enumerate(zip(values, scenes, strict=True))
    ]


def test_paired_intervals_are_narrow_where_pictures_are_hard_for_both():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0, 10, 200)
    better = hard - 0.1 + rng.normal(0, 0.02, 200)
    found = paired_differences(images(better), images(hard))["abs_rel"]
    assert found.mean == pytest.approx(-0.1, abs=0.005)
    assert found.low < found.mean < found.high < -0.09
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.02 / 200**0.5, rel=0.2)


def test_scenes_are_drawn_for_differences():
    scenes = [i // 25 for i in range(100)]
    few = paired_differences(images([0.0, 1, 2, 3]), images([0.0] * 4))["mae"]
    many = paired_differences(images([float(s) for s in scenes], scenes), images([0.0] * 100, scenes))["mae"]
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_other_pictures_cannot_be_compared():
    with pytest.raises(InputError, match="different pictures"):
        paired_differences(images([1.0, 2.0]), images([1.0]))


def test_several_models_in_json():
    first, second = scored("one", 1), scored("two", 2)
    told = record_of_several([record(one.name, one.flip, one.result) for one in (first, second)], scenes_named=True)
    assert set(told) == {"protocol", "cap_m", "images", "resampled", "models", "differences"}
    assert [one["model"] for one in told["models"]] == ["one", "two"]
    (difference,) = told["differences"]
    assert (difference["model"], difference["against"], told["resampled"]) == ("two", "one", "scenes")
    assert difference["metrics"]["abs_rel"]["mean"] == pytest.approx(0.055, rel=1e-4)


# --- parts, distance, gallery, colours


def test_parts_of_several_processes_are_the_evaluation_of_one():
    whole = scored("m", 1, sure=0.7).result
    parts = [
        evaluate_part(model(1, 0.7), ((i, sample(i)) for i in range(rank, 12, 5)), PLAIN, None, Gallery(4)) for rank in range(5)
    ]
    done = summed([*parts, evaluate_part(model(1), iter(()), PLAIN, None, Gallery(4))], PLAIN)
    assert done.per_image == whole.per_image
    assert done.metrics == whole.metrics
    assert [one.pixels for one in done.by_distance] == [one.pixels for one in whole.by_distance]
    assert done.reliability.calibration_error == pytest.approx(whole.reliability.calibration_error)
    np.testing.assert_allclose(done.sparsification, whole.sparsification)
    for one, other in ((done.gallery.best(), whole.gallery.best()), (done.gallery.worst(), whole.gallery.worst())):
        assert [seen.place for seen in one] == [seen.place for seen in other]


def test_a_picture_that_two_processes_scored_is_refused():
    part = [evaluate_part(model(1), ((i, sample(i)) for i in places), PLAIN) for places in ((0, 1), (1, 2))]
    with pytest.raises(InputError, match="scored twice"):
        summed(part, PLAIN)


def test_error_by_distance_by_hand():
    counter, other = DistanceCounter(), DistanceCounter()
    counter.add(np.array([1.5, 0.5], np.float32), np.array([1.0, 1.99], np.float32))
    other.add(np.array([90.0], np.float32), np.array([100.0], np.float32))
    counter.merge(other)
    near, far = counter.result()
    assert (near.from_m, near.to_m, near.pixels, near.delta1) == (1, 2, 2, 0)
    assert near.abs_rel == pytest.approx((0.5 + 1.49 / 1.99) / 2)
    assert near.bias == pytest.approx((0.5 - 1.49 / 1.99) / 2)
    assert (far.from_m, far.to_m, far.pixels, far.delta1) == (80, None, 1, 1)
    assert far.bias == pytest.approx(-0.1)


@pytest.mark.parametrize("edge", EDGES_M[1:-1])
def test_a_bin_begins_at_its_edge(edge):
    counter = DistanceCounter()
    counter.add(np.array([edge, 1.0], np.float32), np.array([edge, np.nextafter(np.float32(edge), 0)], np.float32))
    assert [(one.from_m, one.pixels) for one in counter.result()][-1] == (edge, 1)


def seen(place, score):
    nothing = np.zeros((2, 2), np.float32)
    return Seen(place, str(place), "", {"abs_rel": score}, np.zeros((2, 2, 3), np.uint8), nothing, nothing, nothing > 0)


@pytest.mark.parametrize(("count", "shown", "worst", "best"), [(2, 9, 2, 2), (2, 3, 2, 1), (2, 1, 1, 0), (0, 5, 0, 0)])
def test_a_gallery_keeps_the_ends(count, shown, worst, best):
    scores = np.random.default_rng(1).permutation(shown).tolist()
    gallery = Gallery(count)
    for place, score in enumerate(scores):
        gallery.add(seen(place, score))
        assert len(gallery.by_place()) <= 2 * count
    order = sorted(range(shown), key=lambda place: scores[place])
    assert [one.place for one in gallery.worst()] == order[::-1][:worst]
    assert [one.place for one in gallery.best()] == order[:best]


def test_colours_of_errors():
    truth_m = np.full((1, 5), 10, np.float32)
    predicted_m = np.array([[10, 12.5, 8, 100, 0]], np.float32)
    mask = np.array([[True, True, True, True, True]])
    assert [tuple(rgb) for rgb in error_colours(predicted_m, truth_m, mask)[0].tolist()] == [
        *(RIGHT_RGB, FAR_RGB, NEAR_RGB, FAR_RGB, NEAR_RGB)
    ]
    assert tuple(error_colours(predicted_m, truth_m, ~mask)[0, 1].tolist()) == UNKNOWN_RGB
    # A lone point becomes a blot of its colour.
    alone = np.zeros((9, 9), bool)
    alone[4, 4] = True
    drawn = error_colours(np.full((9, 9), 20, np.float32), np.full((9, 9), 10, np.float32), alone, reach=3)
    assert ((drawn == FAR_RGB).all(axis=2)).sum() == 9
