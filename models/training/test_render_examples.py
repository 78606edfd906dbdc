"""The committed example photos are what the script renders. Reads two packages' sample pictures, no data folder.

    pytest test_render_examples.py
"""

import numpy as np
from PIL import Image, ImageOps

import evaluate
import render_examples


def test_the_committed_photos_are_the_rendered_ones():
    for example in render_examples.examples():
        stored = np.array(ImageOps.exif_transpose(Image.open(render_examples.EXAMPLES / "photos" / f"{example.name}.jpg")).convert("RGB"))
        assert stored.shape == example.photo.shape, example.name
        assert evaluate.psnr(stored, example.photo) > (22 if example.name == "noisy" else 30), example.name  # JPEG


def test_references_differ_from_their_photos_under_the_mask_only():
    for example in render_examples.examples():
        path = render_examples.EXAMPLES / "references" / f"{example.name}.jpg"
        assert path.exists() == (example.reference is not None), example.name
        if example.reference is not None and example.name != "noisy":
            changed = np.abs(example.photo.astype(int) - example.reference).max(2) > 24
            assert 0.005 < changed.mean() < 0.3, example.name
