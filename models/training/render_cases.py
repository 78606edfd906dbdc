"""Renders the photos that `npm run evaluate` measures on: every case of evaluate.py, on every test face, as files.

    python render_cases.py --data ../../../shared/data --out ../../dist/evaluation/photos               # 537 faces, 9 cases: 6 min, 0.7 GB
    python render_cases.py --data ../../../shared/data --out /tmp/cases --faces 10 --cases I II
    pytest test_render_cases.py

The masks, rolls and noise are evaluate.py's own (`samples`), seeded by the face's place in its split: both programs speak of the same
photos, however many are taken. The same command writes the same files.

    OUT/index.csv                           one line a photo, written last: without it nothing here counts
    OUT/photos/CASE/PLACE.png               the masked photo, 8-bit RGB
    OUT/truths/FRAMING/PLACE.png            the same face without the mask; FRAMING is aligned, celeba or rolled
    OUT/regions/CASE/PLACE.png              8-bit grey: 255 the pixels that the garment covers by half or more, 64 those that it covers less
    OUT/regions/V/PLACE.png                 in the aligned 256x256 crop: 255 fabric, 192 straps, 160 eyes, 144 ears, 136 what else is further than
                                            6 px from fabric and straps, 128 what is nearer, 0 beyond the photo's edge

Columns of index.csv: case; file, the face below faces/ or the photo below masked/; photo, truth, region, paths below OUT, but for case V
the photo is below DATA/masked and there is no truth; a, b, tx, ty, the similarity photo -> aligned crop, (x, y) -> (a x - b y + tx,
b x + a y + ty), empty where the photo is the crop; digest, of the pixels of photo, truth and region; then the facts that evaluate.py
records of each face. The pictures show real people: keep them out of the repository.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import time
from pathlib import Path

import cv2
import numpy as np

import evaluate

FRAMINGS = {"I-celeba": "celeba", "II": "rolled"}  # every other case shows the aligned crop, and shares its truths
COLUMNS = ("case", "file", "photo", "truth", "region", "a", "b", "tx", "ty", "digest", "source", "soft", "family", "wear", "ita", "nose", "grey", "mouth", "age", "glasses", "beard")


def render_case(case, data, out, limit=None):
    """Writes the photos, truths and regions of one of evaluate.CASES but V. Yields a line of index.csv per face."""
    framing = FRAMINGS.get(case, "aligned")
    for face, sample in evaluate.samples(data, case, limit):
        name = f"{face.place:04d}.png"
        pictures = {"photo": (f"photos/{case}/{name}", sample.photo), "truth": (f"truths/{framing}/{name}", sample.truth),
                    "region": (f"regions/{case}/{name}", np.where(sample.fabric, 255, np.where(sample.region, 64, 0)).astype(np.uint8))}  # fmt: skip
        for path, picture in pictures.values():
            _write(out / path, picture)
        paths = {column: path for column, (path, _) in pictures.items()}
        yield {"case": case, **paths, **_similarity(sample.to_crop), "digest": _digest(*(picture for _, picture in pictures.values())), **sample.facts}


def render_outlines(data, out, outlines, limit=None):
    """Case V: writes the outlined fabric of every real photo, its straps, the eyes, the ears and what is beyond them. Yields a line of index.csv per photo; the photos stay where they are."""
    drawn = evaluate.load_outlines(outlines)
    places = np.linspace(0, len(drawn) - 1, limit).astype(int) if limit and limit < len(drawn) else range(len(drawn))
    for place in map(int, places):
        outline = drawn[place]
        photo = cv2.imread(str(Path(data) / "masked" / outline["file"]))
        if photo is None:
            raise SystemExit(f"Expected a photo at {Path(data) / 'masked' / outline['file']}.")
        crop = evaluate.outlined_crop(outline, photo.shape)
        region = np.select([crop.fabric, crop.straps, crop.eyes, crop.ears, crop.beyond, crop.inside], [255, 192, 160, 144, 136, 128], 0).astype(np.uint8)
        path = f"regions/V/{place:04d}.png"
        _write(out / path, region)
        yield {"case": "V", "file": outline["file"], "photo": outline["file"], "region": path, **_similarity(crop.to_crop), "digest": _digest(photo, region)}


def _write(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    order = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    if not cv2.imwrite(str(path), order, [cv2.IMWRITE_PNG_COMPRESSION, 3]):  # 3: twice as fast as 6, 5 % more bytes
        raise SystemExit(f"Expected to write {path}: is the disk full?")


def _similarity(matrix):
    """[2, 3] of a similarity as its four numbers; none for a photo that is its own crop."""
    if matrix is None:
        return {}
    return {"a": repr(float(matrix[0, 0])), "b": repr(float(matrix[1, 0])), "tx": repr(float(matrix[0, 2])), "ty": repr(float(matrix[1, 2]))}


def _digest(*pictures):
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(repr(picture.shape).encode())
        digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()[:16]


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Renders the photos of every case for `npm run evaluate`.")
    parser.add_argument("--data", required=True, help="folder with faces/, masked/ and mask-templates/")
    parser.add_argument("--out", required=True, help="folder for the photos (keep it out of the repository: faces)")
    parser.add_argument("--faces", type=int, help="test faces, evenly spread; default all")
    parser.add_argument("--cases", nargs="*", default=evaluate.CASES, choices=evaluate.CASES)
    parser.add_argument("--outlines", default=here / "real-outlines.json")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    index = out / "index.csv"
    index.unlink(missing_ok=True)
    cv2.setNumThreads(1)
    lines, start, bar = [], time.time(), sys.stderr.isatty()
    for case in options.cases:
        of_case = render_outlines(options.data, out, options.outlines, options.faces) if case == "V" else render_case(case, options.data, out, options.faces)
        done = 0
        for done, line in enumerate(of_case, 1):
            lines.append(line)
            if bar:
                print(f"\r{case}: {done} photos, {time.time() - start:.0f} s ", end="", file=sys.stderr, flush=True)
        print("" if bar else f"{case}: {done} photos, {time.time() - start:.0f} s", file=sys.stderr, flush=True)
    half = index.with_suffix(".csv.part")
    with open(half, "w", newline="") as table:
        writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    half.replace(index)
    print(index)


if __name__ == "__main__":
    main()
