from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from training.evaluation.pictures import GAP, MARGIN, sheet


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_enlarged_by_whole_numbers_and_in_order(channels: int) -> None:
    images = torch.randint(0, 256, (2, 3, channels, 8, 8), dtype=torch.uint8)
    picture = np.asarray(Image.open(io.BytesIO(sheet(images, (), ()))))
    scale, step = 10, 80 + GAP
    assert picture.shape[:2] == (2 * MARGIN + 2 * step, 2 * MARGIN + 3 * step)
    for row in range(2):
        for column in range(3):
            top, left = MARGIN + row * step, MARGIN + column * step
            tile = picture[top : top + 80 : scale, left : left + 80 : scale]
            expected = images[row, column].numpy()
            assert np.array_equal(tile, expected[0] if channels == 1 else expected.transpose(1, 2, 0))


def test_names_make_room_and_leave_ink() -> None:
    images = torch.full((1, 2, 1, 84, 84), 255, dtype=torch.uint8)
    bare = np.asarray(Image.open(io.BytesIO(sheet(images, (), ()))))
    named = np.asarray(Image.open(io.BytesIO(sheet(images, ["row"], ["one", "two"]))))
    assert named.shape[0] > bare.shape[0]
    assert named.shape[1] > bare.shape[1]
    assert bare.min() == 255
    assert named.min() < 50
    assert sheet(images, ["row"], ["one", "two"]) == sheet(images, ["row"], ["one", "two"])
