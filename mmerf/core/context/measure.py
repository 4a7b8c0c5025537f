"""Context curves and rankings of any torch module, on tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..inputs.forms import batches_of, count_images
from .base import ContextOptions
from .curves import ContextMeasurement
from .result import ContextResult


def measure_context(
    model: nn.Module,
    images: Tensor | Iterable[Tensor | Sequence[Tensor]],
    layer: str | Mapping,
    *,
    sides: Sequence[int] | None = None,
    attribution: Any = None,
    provenance: Mapping | None = None,
    **options: Any,
) -> ContextResult:
    """How large a square about its pixel a unit needs.

    For each side, only the square about the unit's pixel is kept, the rest
    of the image is replaced, and the unit is read again; and the reverse.
    Beside them stands the ERF of the same units.

    Args:
        model (nn.Module): Any torch module; it is left as it was.
        images: Normalised inputs (N, C, H, W), or an iterable of such
            batches, such as a DataLoader; see :func:`mmerf.measure_erf`.
        layer (str): Name of a module, of one of its outputs
            (``'backbone[3]'``), or ``'.'`` for the model's own output.
        sides (sequence of int, optional): Of the squares, px, odd; None for
            a geometric series up to the first image's longer side.
        attribution: Of the ERF; see :func:`mmerf.measure_erf`.
        provenance (mapping, optional): Stored with the result.
        **options: ``target``, ``fill``, ``threshold``, ``input_size``,
            ``batch_size``, ``classes``, ``seed``; see ``ContextOptions``.

    Returns:
        ContextResult: Curves of each image, and the ERF.

    Raises:
        ERFError: If an argument, the layer or an image cannot be used; its
            text is one line that says what would be right.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 2, 5, padding=2))
        >>> images = torch.rand(2, 3, 32, 32)
        >>> result = measure_context(net, images, '0', sides=[1, 3, 5, 7])
        >>> (result.keep_change[0] > 0).tolist()
        [True, True, False, False]
    """
    measurement = ContextMeasurement(
        model, ContextOptions(layer, **options), sides, attribution
    )
    measurement.erf.expect(count_images(images))
    for batch in batches_of(model, images):
        measurement.update(batch)
    return measurement.compute(provenance)
