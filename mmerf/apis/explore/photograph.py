"""The photograph, as the network gets it, to be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ...core.exploring.one_image import picture_of


def photograph_of(inputs: Tensor, preprocessor: Any) -> np.ndarray:
    """The network's input as a picture: resized, cropped and padded as it is.

    Args:
        inputs (Tensor): Normalised, shape (1, C, H, W).
        preprocessor: MMEngine's ``ImgDataPreprocessor``, or one like it: its
            mean, std and order of colours are undone. Of any other, values
            are scaled to reach from 0 to 1.

    Returns:
        np.ndarray: (H, W, 3) RGB for three channels, else the mean of the
        channels, (H, W); 0 to 1.
    """
    values = inputs[0].detach().double().cpu()
    mean, std = (getattr(preprocessor, name, None) for name in ('mean', 'std'))
    if not (isinstance(mean, Tensor) and isinstance(std, Tensor)):
        return picture_of(values)
    values = values * std.cpu() + mean.cpu()
    values = (values / max(255.0, float(values.max()))).clamp(0, 1)
    picture = values.permute(1, 2, 0).numpy()
    if len(values) != 3:
        return picture.mean(axis=2)
    # Files are read as BGR, which a preprocessor turns or leaves.
    as_read = not getattr(preprocessor, '_channel_conversion', True)
    return picture[..., ::-1] if as_read else picture
