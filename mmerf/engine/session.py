"""One measurement during a run, from its first batch to its last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_world_size
from torch import nn
from torch.utils.data import DataLoader, Subset

from ..core.errors import MeasurementError
from ..core.measurement import Measurement
from ..core.running.memory import free_traceback
from ..core.state.data_state import data_restored
from ..core.state.process_state import random_state
from .batches.prepare_batch import prepare
from .ranks import gather_failures, merge_over_ranks
from .selection import Selection


class Session:
    """Measures a rank's chosen images; keeps a failure until all ranks meet.

    Args:
        model (nn.Module): As the loop runs it, wrappers and all.
        measurement (Measurement, optional): Of the model inside; None where
            making it failed: ``failure`` is then given.
        selection (Selection): Which images of each batch to measure.
        strict (bool): Raise a failure at once, where there is one rank.
        failure (Exception, optional): What this rank failed with before the
            first batch.

    Attributes:
        failure (Exception, optional): What this rank failed with; nothing is
            measured after it.
        seconds (float): Time spent measuring.
    """

    def __init__(
        self,
        model: nn.Module,
        measurement: Measurement | None,
        selection: Selection,
        strict: bool = False,
        failure: Exception | None = None,
    ) -> None:
        self.model = model
        self.selection = selection
        self.strict = strict
        self._measurement = measurement
        self._batch_size = measurement.batch_size if measurement else None
        self.failure: Exception | None = None
        self.seconds = 0.0
        if failure is not None:
            self._keep_failure(failure)

    @property
    def measurement(self) -> Measurement:
        """The measurement; there is one unless making it failed."""
        assert self._measurement is not None, self.failure
        return self._measurement

    def measure_batch(self, batch_idx: int, data_batch: Any) -> None:
        """Measure the chosen images of a batch that a loop has loaded."""
        chosen = self.selection.of_batch(batch_idx)
        if chosen:
            self._measure(data_batch, chosen)

    def load_and_measure(self, dataloader: Any) -> None:
        """Load this rank's chosen images and measure them, without a loop."""
        mine = self.selection.indices
        size = dataloader.batch_size or 1
        # Workers where the loop has some: what a dataset opens stays there.
        workers = min(dataloader.num_workers, -(-len(mine) // size))
        try:
            with data_restored(dataloader.dataset, dataloader.collate_fn):
                for batch in DataLoader(
                    Subset(dataloader.dataset, mine),
                    size,
                    num_workers=workers,
                    collate_fn=dataloader.collate_fn,
                    worker_init_fn=dataloader.worker_init_fn,
                    multiprocessing_context=dataloader.multiprocessing_context,
                ):
                    self._measure(batch, None)
                    if self.failure is not None:
                        return
        except Exception as error:  # no failure may stop a training
            self._keep_failure(error)

    def _measure(self, data_batch: Any, only: Sequence[int] | None) -> None:
        if self.failure is not None:
            return
        began = time.perf_counter()
        try:
            layers = self.measurement.layers
            with random_state(self.model):  # a preprocessor may draw numbers
                prepared = prepare(self.model, data_batch, only, layers)
            self.measurement.update(prepared)
        except Exception as error:  # no failure may stop a training
            self._keep_failure(error)
        self.seconds += time.perf_counter() - began

    def _keep_failure(self, error: Exception) -> None:
        """Keep a failure until all ranks meet, without its traceback.

        The traceback's frames would keep a whole graph in memory through the
        rest of the validation.
        """
        if self.strict and get_world_size() == 1:
            raise error
        free_traceback(error)
        self.failure = error

    def summary(self, step: int, logging: float) -> str:
        """How much was measured and what it cost, as one line of the log.

        Args:
            step (int): The step of the run that was measured.
            logging (float): Seconds that statistics, figures and files took.
        """
        measurement = self.measurement
        summary = (
            f'ERF of {len(measurement.accumulators)} layer(s) from '
            f'{measurement.seen} image(s) at step {step} took '
            f'{self.seconds:.1f} s'
        )
        if measurement.passes.summary:
            summary += f' ({measurement.passes.summary})'
        if measurement.batch_size != self._batch_size:
            size = measurement.batch_size
            summary += f', {size} image(s) per pass since memory ran out'
        return f'{summary}, figures and files {logging:.1f} s'

    def gather(self) -> list[Exception]:
        """Merge every rank's measurement into each rank's own.

        Every rank calls this, also one that failed or had no image, so that
        none waits for ever. Where one failed, nothing is merged.

        Returns:
            list[Exception]: The failures of all ranks, the own one first.
        """
        failures = gather_failures(self.failure)
        if failures:
            return failures
        merge_over_ranks(self.measurement)
        if not self.measurement.seen:
            return [MeasurementError('there was no image to measure')]
        return []
