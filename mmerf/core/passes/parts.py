"""Confirm that part of a batch may be run alone, where a user runs the model.

A function that a user gives may hold a second input. Of a part of the images,
or of copies of one, it then makes what belongs to other images. Whatever it
holds, and wherever: its outputs tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ..aten import AtenMode, storage_of, tensors_in
from ..batch import Batch
from ..errors import MeasurementError, ModelError
from ..layers.clips import resize_images
from ..layers.names import output_key
from ..layers.single_outputs import leaves
from ..running.layer_scores import LayerScores
from ..running.memory import images_that_fit, is_out_of_memory
from ..running.precision import precision
from ..running.probes import Recorder, equal_to_rounding
from ..state.isolation import preserved, state_restored
from ..state.process_state import random_state
from .execute import Passes

ADVICE = (
    'if it holds a second input, give the inputs as a mapping or a tuple, '
    'which are cut together'
)
Values = Mapping[str, Tensor]  # by layer key, one row per image


def confirm_parts(
    passes: Passes,
    batch: Batch,
    step: int,
    size: Sequence[int] | None,
    needs: Collection[str],
) -> None:
    """Confirm that images have the same outputs in a part of their batch.

    The whole batch is run once and compared with every part, all without
    gradient. Where memory does not hold it, the first images are compared in
    two orders, and a tensor with as many rows as there are images is refused.

    Args:
        passes (Passes): Of the measurement; its model is left as it was.
        batch (Batch): With a ``forward`` that does not know positions.
        step (int): Most images of a part.
        size (tuple[int, int], optional): The (H, W) that images get.
        needs (collection of str): Of the target; if it needs predictions,
            what the forward returns is compared as well.

    Raises:
        MeasurementError: If outputs differ, or a part cannot be run.
    """
    if len(batch) < 2:
        return
    model, attribution = passes.model, passes.attribution
    returned = attribution.kind == 'attention' or 'predictions' in needs
    runs = _Runs(model, passes.layers, batch, size, returned)
    with preserved(model), torch.inference_mode(False), torch.no_grad():
        with precision(runs.device.type, None):
            runs.confirm(step, attribution.repeats)


class _Runs:
    """Runs some images of a batch, and reads the outputs."""

    def __init__(
        self,
        model: nn.Module,
        layers: LayerScores,
        batch: Batch,
        size: Sequence[int] | None,
        returned: bool,
    ) -> None:
        self.model, self.layers, self.batch = model, layers, batch
        self.size, self.returned = size, returned
        self.device = next(model.parameters(), batch.inputs).device

    def values(
        self, positions: list[int], watch: _Watch | None = None
    ) -> Values:
        """Outputs of the images at these positions, by layer key.

        Raises:
            MeasurementError: If the forward does not run on them.
        """
        images = self.batch.inputs[positions].to(self.device)
        images = resize_images(images, self.size)
        returned: list[Any] = []

        def forward(images: Tensor, where: Sequence[int]) -> None:
            with watch or nullcontext():
                returned.append(self.batch.forward(images, where))

        recorder, layers = Recorder(), self.layers.again()
        try:
            with random_state(self.model), state_restored(self.model):
                layers.probe(forward, images, recorder, positions)
        except ModelError as error:
            if len(positions) == len(self.batch):
                raise
            raise MeasurementError(
                f'forward= does not run on {len(positions)} image(s) of a '
                f'batch of {len(self.batch)} ({error}); {ADVICE}'
            ) from error
        for indices, leaf in leaves(returned if self.returned else ()):
            if isinstance(leaf, Tensor) and leaf.shape[:1] == (len(images),):
                recorder.values[output_key('the output', indices[1:])] = leaf
        return recorder.values

    def confirm(self, step: int, copies: bool) -> None:
        """Compare parts of at most ``step`` images, or copies, with all."""
        count = len(self.batch)
        every = list(range(count))
        parts = [every[i : i + step] for i in range(0, count, step)]
        own = [*self.model.parameters(), *self.model.buffers()]
        watch = _Watch(count, own)
        first = self.values(parts[0], watch)
        whole: Values | None = first
        if step < count:
            each = watch.bytes // step
            fits = count <= images_that_fit(self.device, each)
            whole = self.whole() if fits else None
        if whole is None:
            if watch.rows_of_batch:
                raise MeasurementError(
                    f'forward= uses a tensor of {count} rows, as many as '
                    f'there are images, and memory holds less; {ADVICE}, or '
                    'give smaller batches'
                )
            every = every[: max(step, 2)]
            whole = self.values(every)
            parts = [every[:1], every[::-1]]
        if step < count:
            for part in parts:
                self.check(self.values(part), part, whole)
        if copies:
            again = every[-1:] * 2
            self.check(self.values(again), again, whole)

    def whole(self) -> Values | None:
        """Outputs of all images; None where memory does not hold them."""
        try:
            return self.values(list(range(len(self.batch))))
        except Exception as error:
            if is_out_of_memory(error):
                return None
            raise

    def check(
        self, values: Values, positions: list[int], whole: Values
    ) -> None:
        """Raise MeasurementError unless outputs are those in the whole."""
        for key, value in values.items():
            if key not in whole or not equal_to_rounding(
                whole[key][positions], value
            ):
                raise MeasurementError(
                    f'{key}: with forward=, an image has other outputs in '
                    f'a part of {len(positions)} image(s) than in the batch '
                    f'of {len(self.batch)}; {ADVICE}, or let batches fit '
                    'one pass'
                )


class _Watch(AtenMode):
    """Counts what a forward makes, and sees tensors from outside of it.

    Attributes:
        bytes (int): Of all that the operations have made.
        rows_of_batch (bool): Whether a tensor that the forward has not made,
            and that is none of the model's, has a row for every image.
    """

    def __init__(self, count: int, known: Sequence[Tensor]) -> None:
        super().__init__()
        self.count, self.bytes, self.rows_of_batch = count, 0, False
        self._known = {storage_of(tensor) for tensor in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        for tensor in tensors_in((args, kwargs)):
            if tensor.dim() and len(tensor) == self.count:
                known = storage_of(tensor) in self._known
                self.rows_of_batch = self.rows_of_batch or not known
        out = func(*args, **(kwargs or {}))
        for tensor in tensors_in(out):
            address = storage_of(tensor)
            if address is not None and address not in self._known:
                self._known.add(address)
                self.bytes += tensor.untyped_storage().nbytes()
        return out
