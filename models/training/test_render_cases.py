"""The photos that `npm run evaluate` reads, on drawn heads.

    pytest test_render_cases.py
"""

import json

import cv2
import numpy as np
import pytest

import evaluate
import render_cases
from test_evaluate import data  # noqa: F401  (a fixture)


def read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("case", ["I", "I-celeba", "II", "III-25", "IV"])
def test_the_files_hold_what_evaluate_measures(data, tmp_path, case):  # noqa: F811
    lines = list(render_cases.render_case(case, data, tmp_path))
    expected = list(evaluate.samples(data, case))
    assert [line["file"] for line in lines] == [face.file for face, _ in expected]
    for line, (_, sample) in zip(lines, expected):
        assert np.array_equal(read(tmp_path / line["photo"]), sample.photo)
        assert np.array_equal(read(tmp_path / line["truth"]), sample.truth)
        region = cv2.imread(str(tmp_path / line["region"]), cv2.IMREAD_GRAYSCALE)
        assert np.array_equal(region > 0, sample.region) and np.array_equal(region == 255, sample.fabric)
        assert 0.5 * sample.region.sum() < sample.fabric.sum() < sample.region.sum()
        assert ("a" in line) == (sample.to_crop is not None)
        if sample.to_crop is not None:
            a, b, tx, ty = (float(line[name]) for name in ("a", "b", "tx", "ty"))
            assert np.array_equal(np.array([[a, -b, tx], [b, a, ty]]), sample.to_crop)


def test_the_same_command_writes_the_same_lines(data, tmp_path):  # noqa: F811
    assert list(render_cases.render_case("II", data, tmp_path)) == list(render_cases.render_case("II", data, tmp_path))


def test_an_outline_is_drawn_in_the_crop_and_knows_the_edge_of_its_photo(tmp_path):
    (tmp_path / "masked").mkdir()
    cv2.imwrite(str(tmp_path / "masked" / "a.png"), np.full((100, 120, 3), 90, np.uint8))
    drawn = {"polygons": [[40, 60, 70, 60, 70, 80, 40, 80]], "straps": [[70, 60, 80, 60]], "ears": [[68, 50, 100, 50, 100, 58, 68, 58]]}
    outline = {"file": "a.png", "eyes": [40, 50, 70, 50], **drawn}
    (tmp_path / "outlines.json").write_text(json.dumps({"outlines": [outline]}))
    (line,) = render_cases.render_outlines(tmp_path, tmp_path / "out", tmp_path / "outlines.json")
    region = cv2.imread(str(tmp_path / "out" / line["region"]), cv2.IMREAD_GRAYSCALE)  # [256, 256], twice the photo's size
    assert (float(line["a"]), float(line["b"])) == (2, 0)
    assert (region[160, 128], region[130, 128], region[230, 128]) == (255, 136, 0)
    assert (region == 255).mean() == pytest.approx(60 * 40 / 256**2, rel=0.06)
    assert region[118, 98] == region[118, 158] == 160 and (region == 160).sum() == pytest.approx(2 * np.pi * 13.5 * 8.5, rel=0.03)  # the eyes
    assert 18 <= (region == 192).sum() <= 20  # 10 px of the photo, beside the fabric
    assert region[118, 200] == 144 and region[134, 200] == 144 and region[134, 170] == 128  # an ear, but not close to the strap
    fabric_and_straps = ((region == 255) | (region == 192)).astype(np.uint8)
    distance = cv2.distanceTransform(1 - fabric_and_straps, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    assert distance[region == 136].min() > 6 > distance[region == 128].max() - 1
