"""What a prediction costs: seconds, and memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn

from ..running.peak_memory import PeakMemory
from ..state.isolation import state_restored
from ..state.process_state import random_state


class Cost:
    """Runs predictions, and tells their seconds and the memory they take.

    Args:
        model (nn.Module): That is run; it is left as it was, and so is the
            random state.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._peaks: dict[Hashable, int] = {}

    def of(
        self, run: Callable[[], Tensor], kind: Hashable
    ) -> tuple[Tensor, float, float]:
        """A prediction, its seconds and its bytes.

        Args:
            run (callable): Gives the prediction.
            kind (hashable): Predictions of one kind, such as those of images
                of one size, take the same memory; the first one is run once
                more for it, and not timed.

        Returns:
            tuple[Tensor, float, float]: The prediction, the wall time, and
            the most bytes at once; see PeakMemory.
        """
        if kind not in self._peaks:
            with (
                random_state(self.model),
                state_restored(self.model),
                PeakMemory() as peak,
            ):
                run()
            self._peaks[kind] = peak.bytes
        with random_state(self.model), state_restored(self.model):
            start = time.perf_counter()
            found = run()
            if found.is_cuda:
                torch.cuda.synchronize(found.device)
            seconds = time.perf_counter() - start
        return found, seconds, float(self._peaks[kind])
