"""Context curves: squares about units are kept, or replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..inputs.forms import batches_of, count_images
from ..measurement import Measurement
from ..results.erf_result import ERFResult
from ..statistics.profile import mass_by_square
from ..targets.class_map import classes_along
from .base import UnitMeasurement
from .copies import OpenImage
from .fills import Replace
from .options import ContextOptions
from .result import ContextResult
from .squares import check_sides, default_sides, square_mask

ERF_SHARES = (0.5, 0.99)


class ContextMeasurement(UnitMeasurement):
    """Measures context curves of images as they come.

    Args:
        model, options: As for UnitMeasurement.
        sides (sequence of int, optional): Of the squares, px, odd; None for
            ``default_sides`` of the first image.
        attribution: How the ERF beside the curves is measured; see
            :func:`mmerf.measure_erf`.

    Attributes:
        sides (tuple[int, ...], optional): None before the first image.
        erf (Measurement): Of the same units of the same images.
    """

    def __init__(
        self,
        model: nn.Module,
        options: ContextOptions,
        sides: Sequence[int] | None = None,
        attribution: Any = None,
    ) -> None:
        super().__init__(model, options)
        self.sides = check_sides(sides)
        self.erf = Measurement(
            model,
            options.measurement(
                target=self.logits, attribution=attribution, shares=ERF_SHARES
            ),
        )
        self._changes: list[np.ndarray] = []  # (2, sides, units) of an image
        self._flips: list[np.ndarray] = []

    def expect(self, count: int | None) -> None:
        """Say how many images come; None: not known."""
        self.erf.expect(count)

    def measure(self, image: OpenImage, replace: Replace) -> None:
        """Run every square of every unit; first the same units' ERF."""
        if self.sides is None:
            self.sides = default_sides(image.size)
        self.logits.chosen = image.units
        self.erf.update(image.batch)
        if self.options.batch_size is None and not self._changes:
            self.step = self.erf.fitting or self.step
        sides, units = self.sides, image.units
        shape = (2, len(sides), len(units))  # keep and replace

        def copy(number: int) -> Tensor:
            way, side, unit = np.unravel_index(number, shape)
            mask = square_mask(image.size, image.pixels[unit], sides[side])
            return replace(~mask if way == 0 else mask)

        of_unit = [i % len(units) for i in range(int(np.prod(shape)))]
        values, clean, self.step = image.reader.changes(
            units.units, of_unit, copy, self.step
        )
        scored = torch.tensor([units.channels[unit] for unit in of_unit])
        moved = (values - clean).gather(1, scored[:, None])[:, 0].abs()
        level = self.threshold or 0.0
        before, after = (classes_along(v, 1, level) for v in (clean, values))
        flips = after != before
        self._changes.append(moved.numpy().reshape(shape))
        self._flips.append(flips.double().numpy().reshape(shape))

    def compute(self, provenance: Mapping | None = None) -> ContextResult:
        """The curves so far.

        Args:
            provenance (mapping, optional): Stored with the result.

        Raises:
            MeasurementError: If there is nothing to compute, or a channel
                that is scored is the same everywhere.
        """
        self.check_whole()
        assert self.sides is not None
        change = np.stack(
            [
                (moved / self.spread.of(channels, self.layer)).mean(axis=2)
                for moved, channels in zip(
                    self._changes, self.rows.channels, strict=True
                )
            ]
        )
        flips = np.stack([flips.mean(axis=2) for flips in self._flips])
        more = self.provenance(provenance)
        erf = self.erf.compute(more).get(self.layer)
        return ContextResult(
            layer=self.layer,
            sides=self.sides,
            keep_change=change[:, 0],
            keep_flips=flips[:, 0],
            replace_change=change[:, 1],
            replace_flips=flips[:, 1],
            mass=mass_curve(erf),
            erf_sides=None if erf is None else erf_sides(erf),
            images=tuple(self.rows.names),
            units=tuple(len(channels) for channels in self.rows.channels),
            absent_images=self.absent,
            spread=tuple(self.spread.std().tolist()),
            pixel_known=self.pixel_known,
            definition=self.definition(),
            provenance=more,
            erf=erf,
        )


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
    measurement.expect(count_images(images))
    for batch in batches_of(model, images):
        measurement.update(batch)
    return measurement.compute(provenance)


def mass_curve(erf: ERFResult | None) -> np.ndarray:
    """Share of a map in squares of side 1, 3, 5, ... px about its unit.

    Empty for no map, or one of zeros.
    """
    if erf is None or not erf.map.any():
        return np.zeros(0)
    mass = mass_by_square(erf.map, erf.center)
    return mass / mass[-1]


def erf_sides(erf: ERFResult) -> dict | None:
    """By share, a map's square: side, standard error, ``reaches_edge``."""
    found = erf.statistics(['centred_square'])['centred_square']
    if found is None:
        return None
    errors = erf.uncertainty.get('side', {})
    return {
        share: {
            'side': entry['side'],
            'stderr': errors.get(share, {}).get('stderr'),
            'reaches_edge': entry['reaches_edge'],
        }
        for share, entry in found.items()
    }
