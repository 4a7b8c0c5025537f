"""Maps to draw, and what a drawn figure shows."""

import numpy as np
from PIL import Image

from mmerf.plots import to_rgb


def gaussian(height, width, sigma, center):
    y, x = np.mgrid[:height, :width]
    squared = (y - center[0]) ** 2 + (x - center[1]) ** 2
    return np.exp(-squared / (2 * sigma**2))


def region(fig, ax, shape):
    """Brightness of an axes' rendered inside, averaged to (H, W)."""
    picture = to_rgb(fig)
    box = ax.get_window_extent()
    inside = picture[
        round(picture.shape[0] - box.y1) : round(picture.shape[0] - box.y0),
        round(box.x0) : round(box.x1),
    ]
    small = Image.fromarray(inside).convert('L').resize(shape[::-1], Image.BOX)
    return np.asarray(small).astype(float)
