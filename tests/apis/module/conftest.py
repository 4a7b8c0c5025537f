"""Two small photographs in a folder."""

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / 'photos'
    folder.mkdir()
    for i in range(2):
        image = rng.integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(image).save(folder / f'{i}.png')
    return folder


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)  # weights of which some channel is positive
