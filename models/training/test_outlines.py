"""Hand-drawn outlines: what the two files hold, and that it is drawn where it lies."""

import re
from pathlib import Path

import numpy as np

import outlines

HERE = Path(__file__).parent
TWICE = np.array([[2.0, 0.0, 10.0], [0.0, 2.0, 20.0]])  # twice as large, moved by 10 and 20 px


def test_shapes_are_filled_and_lines_are_one_pixel_wide():
    square = np.array([[5.0, 5.0], [15.0, 5.0], [15.0, 15.0], [5.0, 15.0]])
    shape = outlines.filled([square], TWICE, 64)
    assert shape.sum() == 21 * 21 and shape[30:51, 20:41].all()
    line = outlines.courses([square[:3]], TWICE, 64)
    assert line.sum() == 41 and line[30, 20:41].all() and line[30:51, 40].all()
    assert not outlines.filled([], TWICE, 64).any() and not outlines.courses([], TWICE, 64).any()


def test_what_is_learned_from_and_what_is_tested_on_have_no_photo_in_common():
    tested, marked = (outlines.load_outlines(HERE / f"real-{name}.json") for name in ("outlines", "marks"))
    assert {outline["file"].split("/")[0] for outline in tested} == {"test"}
    assert {outline["file"].rpartition("/")[0] for outline in marked} == {"masked/train", "masked/val", "scenes/train"}


def test_the_marks_are_sound():
    marked = outlines.load_outlines(HERE / "real-marks.json")
    assert len(marked) == len({outline["digest"] for outline in marked}) == 542
    for outline in marked:
        assert re.fullmatch("[0-9a-f]{16}", outline["digest"]) and outline["straps"] + outline["ears"] + outline["bare"], outline["file"]
        assert all(len(line) >= 2 for line in outline["straps"]) and all(len(ear) == 12 for ear in outline["ears"]), outline["file"]
    assert sum(len(outline["straps"]) for outline in marked) == 637 and sum(len(outline["ears"]) for outline in marked) == 528
    bare = [polygon for outline in marked for polygon in outline["bare"]]
    assert len(bare) == 146 and all(len(polygon) >= 3 for polygon in bare)
