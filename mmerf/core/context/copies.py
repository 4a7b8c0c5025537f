"""Run changed copies of one image, and read its units there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..errors import LayerError, MeasurementError
from ..grid.coordinates import Grid, UnitYX
from ..running.afresh import afresh
from ..running.layer_scores import LayerScores
from ..running.memory import run_in_halving_passes
from ..running.probes import Probe, Recorder
from ..targets.base import TargetContext
from .units import ScoredUnits

_LEAST_PASSES = 4  # of an image; one more runs unchanged copies


class CopyValues(Probe):
    """Records the channels of some units; every score is zero.

    Args:
        units (sequence of (int, int)): Rows and columns.

    Attributes:
        values (Tensor): Shape (N, units, C), float64, on the CPU.
    """

    def __init__(self, units: Sequence[UnitYX]) -> None:
        self.rows = [y for y, _ in units]
        self.columns = [x for _, x in units]
        self.values = torch.zeros(0)

    def __call__(self, output: Tensor, context: TargetContext) -> Tensor:
        """Record the units of an output (N, C, h, w); return zeros (N,)."""
        values = output[:, :, self.rows, self.columns]
        self.values = values.detach().transpose(1, 2).double().cpu()
        return output.new_zeros(output.shape[:1])


class CopyReader:
    """Reads one layer on an image, and its units on copies of the image.

    Every forward finds the model, and the random state, as they were.

    Args:
        model (nn.Module): Preserved: in eval mode, parameters frozen.
        layers (LayerScores): Of the one layer.
        batch (Batch): The one image, on the model's device.
    """

    def __init__(
        self, model: nn.Module, layers: LayerScores, batch: Batch
    ) -> None:
        self.model, self.layers, self.batch = model, layers, batch
        self.image = batch.inputs[0]
        self.forward = afresh(model, batch.forward)
        self._clean: dict[int, Tensor] = {}

    def whole(self) -> tuple[str, Tensor, Grid]:
        """The layer's key, its output (C, h, w) on the image, its grid.

        Raises:
            LayerError: If the layer has several outputs.
        """
        recorder, images = Recorder(), self.image[None].clone()
        self.layers.read(self.forward, images, recorder)
        grids = self.layers.grids(tuple(self.image.shape))
        if len(recorder.values) != 1:
            raise LayerError(
                'context curves are of one output; choose one of '
                f'{", ".join(list(recorder.values)[:8])}'
            )
        [(key, output)] = recorder.values.items()
        return key, output[0].double().cpu(), grids[key]

    def changes(
        self,
        units: Sequence[UnitYX],
        of_unit: Sequence[int],
        make: Callable[[int], Tensor],
        step: int,
    ) -> tuple[Tensor, Tensor, int]:
        """The channels of units on changed copies, and on unchanged ones.

        A copy is compared with an unchanged image that is run at the same
        place of a pass of as many images, so that rounding is the same.

        Args:
            units (sequence of (int, int)): Of the image.
            of_unit (sequence of int): Which unit is read on each copy.
            make (callable): ``make(i)`` gives copy i, (C, H, W).
            step (int): Most copies in a pass.

        Returns:
            tuple: Values on the copies and on unchanged images, each
            (copies, C), float64; and ``step``, smaller if memory ran out.

        Raises:
            MeasurementError: If a value is not finite.
        """
        changed: list[Tensor] = []
        unchanged: list[Tensor] = []

        def run(part: slice) -> None:
            numbers = range(part.start, part.stop)
            copies = torch.stack([make(i) for i in numbers])
            values = self._values(copies, units)
            clean = self._unchanged(len(copies), units)
            rows = range(len(copies))
            read = [of_unit[i] for i in numbers]
            changed.append(values[rows, read])
            unchanged.append(clean[rows, read])

        size = _pass_size(len(of_unit), step)
        allowed = run_in_halving_passes(run, len(of_unit), size)
        found = torch.cat(changed)
        if not bool(torch.isfinite(found).all()):
            raise MeasurementError(
                f'{self.batch.names[0]}: a unit is not finite on a changed '
                'copy of the image'
            )
        fits = step if allowed == size else allowed or 1
        return found, torch.cat(unchanged), fits

    def _unchanged(self, count: int, units: Sequence[UnitYX]) -> Tensor:
        if count not in self._clean:
            images = self.image[None].repeat(count, 1, 1, 1)
            self._clean[count] = self._values(images, units)
        return self._clean[count]

    def _values(self, images: Tensor, units: Sequence[UnitYX]) -> Tensor:
        values = CopyValues(units)
        self.layers.read(self.forward, images, values, [0] * len(images))
        return values.values


def _pass_size(count: int, most: int) -> int:
    """Copies in a pass: alike in all, and one pass of unchanged ones is few.

    Example:
        >>> _pass_size(36, 32), _pass_size(200, 32), _pass_size(3, 8)
        (9, 29, 1)
    """
    passes = max(-(-count // most), min(_LEAST_PASSES, count))
    return -(-count // passes)


@dataclass
class OpenImage:
    """An image whose whole was run.

    Attributes:
        batch (Batch): The one image, on the model's device.
        number (int): Of the image among those that were measured.
        units (ScoredUnits): Those that are looked at.
        pixels (list of (int, int)): The whole input pixel of each.
        reader (CopyReader): Runs its copies.
    """

    batch: Batch
    number: int
    units: ScoredUnits
    pixels: list[tuple[int, int]]
    reader: CopyReader

    @property
    def image(self) -> Tensor:
        """The image, (C, H, W)."""
        return self.reader.image

    @property
    def size(self) -> tuple[int, int]:
        """The image's (H, W)."""
        return int(self.image.shape[-2]), int(self.image.shape[-1])
