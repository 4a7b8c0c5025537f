"""ERFHook: effective receptive fields during validation and test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ...core.errors import ConfigError, LayerError
from ...core.layers import find_layers
from ...core.measurement import Measurement
from ...core.preserve import random_state
from ...core.statistics import SHARES
from ...plots.normalization import check_normalization
from ..logging import HubScalars, log_step, publish, publish_scalars
from ..segmentor import prepare, unwrapped
from ..selection import (
    Selection,
    check_num_images,
    check_order,
    chosen_indices,
)
from ..sharing import gather

_COUNTER = 'erf_num_validations'


@HOOKS.register_module()
class ERFHook(Hook):
    """Measure effective receptive fields on what validation has just loaded.

    Each measured validation gives, per layer, one image ``erf/<layer>`` and
    the scalars ``erf/<layer>/side_0.5``, ``side_0.99``, ``area_ratio_0.5``
    and ``zero_score_images``. Also runs in ``runner.test()``.

    Note:
        The hook leaves no trace: weights, buffers, gradients, flags, random
        state and hooks are as before, after success and after any error.

    Args:
        layers (sequence of str, optional): Module names, globs and output
            indices; None for the backbone's outputs and the decode head.
        num_images (int): Images of each validation, over all ranks together.
        interval (int): Measure every n-th validation.
        initial (bool): Also measure once before the first training
            iteration, at step 0.
        order (str): ``'even'`` for dataset indices floor(k N / n),
            ``'first'`` for the first n.
        target, attribution (dict, optional): What is scored, and how it is
            attributed; None for the centre unit, the input gradient.
        shares (sequence of float): Shares of the mass for the statistics.
        input_size (tuple[int, int], optional): Measure everything at this
            (H, W) instead of each image's own size.
        batch_size (int, optional): Most images in one pass; None for the
            loader's batches.
        amp (str, optional): ``'bfloat16'`` or ``'float16'``; None measures
            in float32, also where validation runs in fp16.
        normalization (str): Of the pictures: ``'power'``, ``'log10'``,
            ``'sqrt'`` or ``'linear'``.
        on_error (str): ``'warn'`` logs a failed measurement and goes on;
            ``'raise'`` stops.

    Raises:
        ConfigError: If an argument cannot be followed.

    Examples:
        >>> hook = ERFHook(layers=['backbone[3]', 'decode_head'])
    """

    priority = 'NORMAL'

    def __init__(
        self,
        layers: Sequence[str | dict] | str | None = None,
        num_images: int = 50,
        interval: int = 1,
        initial: bool = False,
        order: str = 'even',
        target: Any = None,
        attribution: Any = None,
        shares: Sequence[float] = SHARES,
        input_size: Sequence[int] | None = None,
        batch_size: int | None = None,
        amp: str | None = None,
        normalization: str = 'power',
        on_error: str = 'warn',
    ) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ConfigError(
                f'interval is a whole number >= 1, not {interval!r}'
            )
        if on_error not in ('warn', 'raise'):
            raise ConfigError(
                f"on_error is 'warn' or 'raise', not {on_error!r}"
            )
        self.layers = layers
        self.num_images = check_num_images(num_images)
        self.interval = interval
        self.initial = initial
        self.order = check_order(order)
        self.normalization = check_normalization(normalization)
        self.on_error = on_error
        self.settings = {
            'target': target,
            'attribution': attribution,
            'shares': shares,
            'input_size': input_size,
            'batch_size': batch_size,
            'amp': amp,
        }
        self._scalars = HubScalars()
        self._reset()

    def _reset(self) -> None:
        self._measurement: Measurement | None = None
        self._selection: Selection | None = None
        self._failure: Exception | None = None
        self._seconds = 0.0

    def _new_measurement(self, runner: Runner) -> Measurement:
        model = unwrapped(runner.model)
        return Measurement(model, self.layers, **self.settings)

    # Before anything is trained: mistakes in the config show at once.

    def before_run(self, runner: Runner) -> None:
        """Check every setting against the model."""
        find_layers(unwrapped(runner.model), self.layers)
        self._new_measurement(runner)

    def before_train(self, runner: Runner) -> None:
        """Measure the untrained model where ``initial`` asks for it."""
        if not self.initial or runner.iter > 0 or runner.val_loop is None:
            return
        dataloader = runner.val_loop.dataloader
        with random_state():
            self._start(runner, dataloader)
            self._measure_initial(runner, dataloader)
            self._finish(runner, step=0, mode=None)

    def _measure_initial(self, runner: Runner, dataloader: Any) -> None:
        dataset = dataloader.dataset
        wanted = chosen_indices(len(dataset), self.num_images, self.order)
        mine = wanted[runner.rank :: runner.world_size]
        size = dataloader.batch_size or 1
        for start in range(0, len(mine), size):
            if self._failure is not None:
                return
            try:
                items = [dataset[i] for i in mine[start : start + size]]
                batch = dataloader.collate_fn(items)
            except Exception as error:
                self._failure = error
                return
            self._measure(runner, batch, None)

    # Validation and test share everything but their names.

    def before_val_epoch(self, runner: Runner) -> None:
        """Decide whether this validation is measured, and on which images."""
        self._scalars.forget(runner)
        count = runner.message_hub.runtime_info.get(_COUNTER, 0) + 1
        runner.message_hub.update_info(_COUNTER, count)
        if count % self.interval == 0:
            self._start(runner, runner.val_loop.dataloader)

    def before_test_epoch(self, runner: Runner) -> None:
        """Choose the images of this test."""
        self._scalars.forget(runner)
        self._start(runner, runner.test_loop.dataloader)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Measure the chosen images of the batch that was just validated."""
        if self._selection is None or self._failure is not None:
            return
        chosen = self._selection.of_batch(batch_idx)
        if chosen:
            self._measure(runner, data_batch, chosen)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Measure the chosen images of the batch that was just tested."""
        self.after_val_iter(runner, batch_idx, data_batch, outputs)

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log maps and scalars; LoggerHook takes the scalars from here on."""
        if self._measurement is not None:
            self._finish(runner, log_step(runner), mode='val')

    def after_test_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log maps and scalars of a test."""
        if self._measurement is not None:
            self._finish(runner, log_step(runner), mode='test')

    def after_val(self, runner: Runner) -> None:
        """Take the scalars back, so that none is logged a second time."""
        self._scalars.forget(runner)

    def after_test(self, runner: Runner) -> None:
        """Take the scalars back."""
        self._scalars.forget(runner)

    # One measurement: start, measure batches, finish.

    def _start(self, runner: Runner, dataloader: Any) -> None:
        self._reset()
        with random_state():
            self._selection = Selection(
                dataloader, self.num_images, self.order
            )
        self._failure = self._selection.error
        self._measurement = self._new_measurement(runner)

    def _measure(
        self, runner: Runner, data_batch: Any, only: Sequence[int] | None
    ) -> None:
        began = time.perf_counter()
        assert self._measurement is not None
        try:
            batch = prepare(self._measurement.model, data_batch, only)
            self._measurement.update(
                batch.inputs, batch.forward, batch.metas, batch.names
            )
        except Exception as error:  # told at the end, to all ranks at once
            self._failure = error
        self._seconds += time.perf_counter() - began

    def _finish(self, runner: Runner, step: int, mode: str | None) -> None:
        measurement, seconds = self._measurement, self._seconds
        assert measurement is not None
        failures = gather(measurement, self._failure)
        self._reset()
        if failures:
            for failure in failures:
                if isinstance(failure, LayerError) or self.on_error == 'raise':
                    raise failure
            _warn('the ERF was not measured', failures[0])
            return
        for layer, reason in measurement.failures().items():
            _warn(f'no ERF of {layer}', reason)
        if not measurement.seen:
            _warn('the ERF was not measured', 'the validation had no image')
            return
        results = measurement.compute()
        errors = publish(runner, results, step, self.normalization)
        for where, error in errors.items():
            if self.on_error == 'raise':
                raise error
            _warn(f'{where} did not take the ERF of step {step}', error)
        tags = self._scalars.put(runner, results, mode)
        if mode != 'val':  # LoggerHook passes on what is in the hub for val
            publish_scalars(runner, tags, step)
        print_log(
            f'ERF of {len(results)} layer(s) from {measurement.seen} '
            f'image(s) at step {step} took {seconds:.1f} s'
            + ('' if mode else f': {_listed(tags)}'),
            logger='current',
        )


def _listed(tags: dict[str, float]) -> str:
    return '  '.join(f'{tag}: {value:.4g}' for tag, value in tags.items())


def _warn(what: str, reason: object) -> None:
    text = ' '.join(str(reason).split()) or type(reason).__name__
    kind = '' if isinstance(reason, str) else f'{type(reason).__name__}: '
    print_log(
        f'ERFHook: {what}: {kind}{text}; the run goes on',
        logger='current',
        level=30,
    )
