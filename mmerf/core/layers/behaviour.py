"""Which layout an output has, by what moves when a part of the image does.

For outputs whose entries could not be followed. The image is changed in one
patch after the other; in the right layout, the output changes most where the
patch is, every time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..grid.reading import Reading

# Of the image's height and width; no two share a row, a column or a diagonal.
PLACES = ((0.2, 0.45), (0.25, 0.85), (0.8, 0.35), (0.45, 0.15), (0.65, 0.7))
PATCH = 8  # of the shorter side, one part of so many
WITHIN = 0.12  # of a grid's side: how near the change has to be, or one unit
SHORT = 0.2  # of the side of a grid of few units


def behaved_layouts(
    layouts: Mapping[str, Sequence[Reading]],
    outputs_of: Callable[[Tensor], Mapping[str, Tensor]],
    image: Tensor,
) -> dict[str, Reading]:
    """The layouts that outputs behave as, where it is just one.

    Args:
        layouts (mapping): By output key, the layouts that are possible.
        outputs_of (callable): Runs the model on one image (1, C, H, W) and
            returns its outputs, by output key.
        image (Tensor): Shape (1, C, H, W).

    Returns:
        dict[str, Reading]: By output key; those where none or several of the
        layouts fit are missing.
    """
    plain = outputs_of(image)
    left = {key: list(some) for key, some in layouts.items()}
    height, width = (int(side) for side in image.shape[2:])
    side = max(min(height, width) // PATCH, 2)
    generator = torch.Generator().manual_seed(0)
    spread = float(image.std()) or 1.0
    for down, across in PLACES:
        top, first = int(down * height), int(across * width)
        rows = slice(max(top - side // 2, 0), top - side // 2 + side)
        columns = slice(max(first - side // 2, 0), first - side // 2 + side)
        changed = image.clone()
        patch = changed[:, :, rows, columns]
        noise = torch.randn(patch.shape, generator=generator)
        patch += 3 * spread * noise.to(patch)
        seen = outputs_of(changed)
        for key, some in left.items():
            if key not in seen or key not in plain:
                left[key] = []
                continue
            change = (seen[key] - plain[key]).abs()
            left[key] = [
                layout
                for layout in some
                if _changes_at(layout, change, (down, across))
            ]
    return {key: some[0] for key, some in left.items() if len(some) == 1}


def _changes_at(
    layout: Reading, change: Tensor, place: tuple[float, float]
) -> bool:
    """Whether an output, in this layout, changes most near a place."""
    nchw = layout.nchw(change, 1)
    if nchw is None:
        return False
    total = nchw[0].sum(0)
    if not bool(total.isfinite().all()) or not bool(total.any()):
        return False
    if layout.swapped:
        place = place[::-1]
    strong = (total >= total.max() / 2).nonzero().double().mean(0)
    for index, count, part in zip(
        strong.tolist(), total.shape, place, strict=True
    ):
        expected = part * count - 0.5
        near = min(max(1.0, WITHIN * count), SHORT * count)
        if abs(index - expected) > near:
            return False
    return True
