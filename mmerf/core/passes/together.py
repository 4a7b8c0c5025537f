"""Run images that come one by one several in a pass, which takes less time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch

from ..batch import Batch
from ..errors import one_line
from ..options import MeasurementOptions
from ..running.memory import NO_HOOKS
from ..shortcuts.beside import NotTogether
from ..shortcuts.pass_size import most_together
from ..targets.base import Target
from .execute import Passes
from .ties import has_flat_part

FEWEST_TOGETHER = 6  # images from which on it pays: one runs once more


def may_run_together(
    passes: Passes, target: Target, options: MeasurementOptions
) -> bool:
    """Whether images that come one by one may be run several in a pass.

    Not where they are few, or what is measured may depend on the others of a
    batch.

    Args:
        passes (Passes): Of the measurement; the budget knows the number.
        target (Target): What is scored.
        options (MeasurementOptions): Of the measurement.
    """
    attribution, expected = passes.attribution, passes.budget.expected
    many = expected is not None and expected >= FEWEST_TOGETHER
    each_its_own = (
        attribution.one_gradient and target.windowed and not target.needs
    )
    return (
        many
        and each_its_own
        and options.batch_size != 1
        and options.by_class is None
        and options.amp is None
        and not passes.switched_off.requested
    )


class Together:
    """Collects images of one size, and measures them in passes of several.

    The first image is measured alone, and once more beside the first others
    of each number of images (see ``Witness``). Where that fails, each image is
    measured alone, and the reason is kept.

    Args:
        passes (Passes): Of the measurement; the budget knows the number.
        update (callable): Measures a batch.
        fitting (callable): Images of a pass that memory holds; None if that
            is not known.
    """

    def __init__(
        self,
        passes: Passes,
        update: Callable[[Batch], None],
        fitting: Callable[[], int | None],
    ) -> None:
        self.passes, self.witness = passes, passes.witness
        self.update, self.fitting = update, fitting
        self._first: Batch | None = None
        self._waiting: list[Batch] = []
        self._size = 1  # images of a pass, with the witness

    def run(self, batches: Iterable[Batch]) -> None:
        """Measure all batches, in their order."""
        for batch in batches:
            if self._first is None and len(batch) == 1:
                self._measure_first(batch)
            elif self._may_wait(batch):
                self._waiting.append(batch)
                known = self._size in self.witness.compared
                if len(self._waiting) + (not known) >= self._size:
                    self._measure_waiting()
            else:
                self._measure_waiting()
                self.update(batch)
        self._measure_waiting()

    def _measure_first(self, batch: Batch) -> None:
        self._first = batch
        try:
            with self.witness.watching():
                self.update(batch)
        except RuntimeError as error:
            if NO_HOOKS not in str(error):
                raise
            self._refuse(one_line(error, 80))
            self.update(batch)
        if self.witness.refused is not None:
            self._refuse(self.witness.refused)
        most = most_together(self.witness)
        most = min(most, self.fitting() or most)
        expected = self.passes.budget.expected or 1
        passes = -(-expected // most)
        self._size = -(-expected // passes)  # all about as large

    def _may_wait(self, batch: Batch) -> bool:
        """Whether a batch is one image, of the form of the first.

        And whether it may be run beside others: where rounding decides
        between equal values, it may not.
        """
        alike = (
            self._size > 1
            and self._first is not None
            and _form_of(batch) == _form_of(self._first)
        )
        inputs, joined = batch.inputs, batch.joined
        if not alike or inputs.dim() != 4:
            return False
        ties = self.passes.layers.noticed.chooses
        return not (ties and has_flat_part(inputs, joined))

    def _measure_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        # Other numbers of images may be run by other code.
        beside = len(waiting) not in self.witness.compared
        count = len(waiting) + beside
        fits = count <= (self.fitting() or count)  # else it would be cut
        if fits and waiting and (len(waiting) > 1 or count == self._size):
            try:
                with self.witness.watching_others(beside):
                    self.update(_as_one(waiting))
                return
            except NotTogether as error:
                self._refuse(str(error))
        for batch in waiting:
            self.update(batch)

    def _refuse(self, why: str) -> None:
        """Run each image alone from now on, by shortcuts for one image."""
        self.witness.refused, self._size = why, 1
        self.passes.layout.gains = True  # as far as known: it was not tried


def _form_of(batch: Batch) -> tuple:
    inputs = batch.inputs
    return inputs.shape, inputs.dtype, inputs.device, batch.joined, batch.kind


def _as_one(batches: Sequence[Batch]) -> Batch:
    """One batch of batches that were given one after the other."""
    return replace(
        batches[0],
        inputs=torch.cat([batch.inputs for batch in batches]),
        names=[name for batch in batches for name in batch.names],
    )
