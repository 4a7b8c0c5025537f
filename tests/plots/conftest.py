"""Results to draw: an ERF beside its map's centre, a picture of attention."""

import numpy as np
import pytest
from helpers.figure_probe import gaussian

from mmerf import ERFResult


@pytest.fixture
def result():
    return ERFResult.from_map(
        gaussian(60, 90, 15, (30, 40)), (30, 40), layer='backbone[3]'
    )


@pytest.fixture
def attention():
    return ERFResult(
        map=np.linspace(0, 2, 64).reshape(8, 8), layer='backbone:sky',
        kind='attention', unit_pixel=(4.0, 4.0), sizes=((8, 8, 1),),
    )  # fmt: skip
