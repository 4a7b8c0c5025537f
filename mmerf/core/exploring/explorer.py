"""Fields of the units of one image, one backward pass each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ..batch import Batch
from ..errors import (
    ConfigError,
    LayerError,
    MeasurementError,
    TargetError,
)
from ..gradient.backward import Gradients
from ..grid.coordinates import Grid, PixelYX, UnitYX
from ..options import MeasurementOptions
from ..results.erf_result import ERFResult
from ..statistics import SHARES
from ..targets.pass_context import PassContext
from .one_image import one_image, picture_of
from .one_unit import measure_unit
from .question import Question, build_question
from .run_once import RunOnce, run_once


class Explorer:
    """Measures one unit of one image after the other.

    The model is run once, and the graph of that forward is kept: each map is
    one backward pass, and equals that of :func:`mmerf.measure_erf`. After the
    forward and after every map the model is as it was; nothing stays on it
    while the explorer is open. Closing it frees the graph.

    Args:
        model (nn.Module): Any torch module.
        image: A normalised input, Tensor (1, C, H, W); or a Batch of one
            image.
        layers: See :func:`mmerf.measure_erf`.
        target, attribution: What is asked at first; see :meth:`ask`.
        forward (callable, optional): ``forward(image)`` runs the model; None
            calls ``model(image)``.
        shares, input_size, classes, without, provenance: See
            :func:`mmerf.measure_erf`.
        most_bytes (int, optional): The graph may not keep more; None for
            half of the memory that is free.

    Attributes:
        layers (list[str]): Keys of the outputs that can be asked, in the
            order of the layers.
        size (tuple[int, int]): (H, W) of the network's input.
        name (str): The image's.
        classes (list[str]): Labels of the classes that the model decides
            between; their indices as text where names are not known, empty
            where it returns no logits.
        memory (int): Bytes that the graph and the outputs keep.
        picture (np.ndarray): The input to be looked at, (H, W, 3) or (H, W),
            0 to 1: its values from the lowest to the highest, unless the one
            who opened it knew better.

    Raises:
        LayerError: If a layer does not exist, cannot be read, or has no
            gradient.
        ConfigError: If the image is none, or the question cannot be asked.
        MeasurementError: If the graph takes too much memory, or the model
            changes its parameters as it runs.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
        >>> _ = nn.init.ones_(net[0].weight)
        >>> with Explorer(net, torch.rand(1, 3, 9, 12), ['0']) as explorer:
        ...     result = explorer.result('0', (4, 7))
        >>> result.unit_pixel, int((result.map > 0).sum())
        ((4.0, 7.0), 9)
    """

    def __init__(
        self,
        model: nn.Module,
        image: Tensor | Batch,
        layers: Sequence[str | dict] | str | None = None,
        *,
        target: Any = None,
        attribution: Any = None,
        forward: Callable[[Any], Any] | None = None,
        shares: Sequence[float] = SHARES,
        input_size: Sequence[int] | None = None,
        classes: Sequence[str] | None = None,
        without: Sequence[str] | str | None = None,
        provenance: Mapping | None = None,
        most_bytes: int | None = None,
    ) -> None:
        self._options = MeasurementOptions(
            layers, None, None, shares, input_size, None, None, classes,
            without=without,
        )  # fmt: skip
        self.model, self._provenance = model, dict(provenance or {})
        self._question = build_question(
            target, attribution, self._options.classes
        )
        batch = one_image(model, image, forward, self._options.input_size)
        self.name, self._gradients = batch.names[0], Gradients()
        self._ran: RunOnce | None = run_once(
            model, batch, self._options, most_bytes
        )
        _check_has_classes(self._question, self._ran.known)
        self.size = self._ran.size
        self.layers = list(self._ran.outputs)
        self.memory = self._ran.memory
        self.picture = picture_of(self.inputs[0])

    @property
    def inputs(self) -> Tensor:
        """The network's input, (1, C, H, W), without gradient."""
        return self._open().leaf.detach()

    @property
    def classes(self) -> list[str]:
        """Labels of the classes; see above."""
        known = self._open().known
        if known.classes is not None:
            return [str(name).strip() for name in known.classes]
        return [str(index) for index in range(known.num_classes or 0)]

    @property
    def question(self) -> Question:
        """What is asked of the units."""
        return self._question

    def ask(self, target: Any = None, attribution: Any = None) -> None:
        """Ask another question from now on; the model is not run for it.

        Args:
            target: A target of one unit, whose unit each call of
                :meth:`result` chooses: CentreUnit, Unit, Pixel, ClassUnit
                with one class, or one of your own that is ``windowed``.
            attribution: InputGradient, RepLKNet, VMamba, MambaIR, Luo, or
                one of your own that has ``one_gradient``.

        Raises:
            ConfigError: If it is none of these. The question stays.
        """
        known = self._open().known
        question = build_question(target, attribution, known.classes)
        _check_has_classes(question, known)
        self._question = question

    def grid(self, layer: str) -> Grid:
        """Where a layer's units sit in the input.

        Raises:
            LayerError: If no such layer is kept.
        """
        ran = self._open()
        if layer not in ran.grids:
            raise LayerError(
                f'{layer!r:.80} is not kept; the layers are '
                f'{", ".join(ran.grids)}'
            )
        return ran.grids[layer]

    def unit(self, layer: str, pixel: PixelYX) -> UnitYX:
        """The unit (y, x) of a layer that sits nearest an input pixel.

        Raises:
            TargetError: If the pixel is outside the input.
            LayerError: If no such layer is kept.
        """
        grid, (height, width) = self.grid(layer), self.size
        if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
            raise TargetError(
                f'pixel ({pixel[0]:g}, {pixel[1]:g}) lies outside the '
                f'{height} x {width} input'
            )
        return grid.nearest_unit(pixel)

    def moved(
        self, layer: str, unit: UnitYX, rows: int, columns: int
    ) -> UnitYX:
        """The unit so many strides below and to the right in the image.

        At the grid's border the unit stays.

        Args:
            layer (str): A key of ``layers``.
            unit (tuple[int, int]): Row and column in the layer's output.
            rows, columns (int): Strides down and across; may be negative.
        """
        grid = self.grid(layer)
        y, x = grid.pixel(unit)
        down, across = grid.stride
        return grid.nearest_unit((y + rows * down, x + columns * across))

    def result(self, layer: str, unit: UnitYX) -> ERFResult:
        """The field of one unit: one backward pass.

        Args:
            layer (str): A key of ``layers``.
            unit (tuple[int, int]): Row and column in the layer's output.

        Returns:
            ERFResult: Of this one image, as :func:`mmerf.measure_erf` gives
            it for this unit. With a class its ``layer`` is ``'layer:class'``.

        Raises:
            LayerError, TargetError: If the layer is not kept, has no such
                unit, or has not one channel for each class.
            MeasurementError: If the map is not finite, or the model was
                changed meanwhile.
        """
        self.grid(layer)  # or an error
        return measure_unit(
            self._open(), self._question, self._gradients, layer, unit,
            self._options, self._provenance,
        )  # fmt: skip

    def results(
        self,
        pixel: PixelYX,
        layers: Sequence[str] | None = None,
        first: str | None = None,
    ) -> Iterator[tuple[str, ERFResult]]:
        """Fields of the units that sit nearest a pixel, one after the other.

        Args:
            pixel (tuple[float, float]): Row and column in the input, px.
            layers (sequence of str, optional): Keys; None for all.
            first (str, optional): The layer that comes first.

        Yields:
            tuple[str, ERFResult]: A layer's key and its result, as
            :meth:`result` gives it.
        """
        keys = list(self.layers if layers is None else layers)
        for key in sorted(keys, key=lambda key: key != first):
            yield key, self.result(key, self.unit(key, pixel))

    def predicted(self, pixel: PixelYX) -> str | None:
        """The label of the class that the model predicts at a pixel.

        None where it returns no logits.
        """
        index = self._open().predicted(pixel)
        return None if index is None else self.classes[index]

    def close(self) -> None:
        """Free the graph; nothing can be asked afterwards."""
        self._ran = None

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self) -> RunOnce:
        if self._ran is None:
            raise MeasurementError('the explorer is closed; open the image')
        return self._ran


def _check_has_classes(question: Question, known: PassContext) -> None:
    """Raise ConfigError for a class of a model whose classes are unknown."""
    if 'num_classes' in question.target.needs and not known.num_classes:
        raise ConfigError(
            'the model returns no logits (N, classes, h, w), so that no class '
            'can be asked; give forward= a function that returns them, or '
            'name the classes'
        )
