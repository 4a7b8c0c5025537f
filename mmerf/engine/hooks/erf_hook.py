"""ERFHook: effective receptive fields during validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...core.errors import ConfigError, OutputIndexError
from ...core.measurement import Measurement
from ...core.options import MeasurementOptions
from ...core.passes.carried import carry_over, found_by
from ...core.state.process_state import random_state
from ...core.statistics import SHARES
from ...core.windows.plans import Known
from ...plots.drawing.normalization import check_normalization
from ..batches.labels import classes_of_runner
from ..batches.prepare_batch import unwrapped
from ..publish import (
    lay_out_growth,
    log_step,
    remove_scalars_from_hub,
    warn,
)
from ..registry import (
    ERF_ATTRIBUTIONS,
    ERF_TARGETS,
    resolve_registered,
    use_statistics,
)
from ..selection import Selection, check_num_images, check_order
from ..session import Session
from .hook_conflicts import check_disjoint, result_keys
from .lost_results import warn_of_no_backend, warn_of_no_validation
from .publisher import Publisher
from .validation_count import past_validations


@HOOKS.register_module()
class ERFHook(Hook):
    """Measure effective receptive fields on images that validation loads.

    Each measured validation gives the images ``erf/all_layers``,
    ``erf/<layer>`` and ``erf/growth``, and per layer the scalars
    ``erf_side_0.5/<layer>``, ``erf_side_0.99/<layer>`` and
    ``erf_area_ratio_0.5/<layer>``. Also runs in ``runner.test()``.

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
        target (dict or str, optional): What is scored, such as
            ``dict(type='ClassRegion', classes=['road'])``; of your own, its
            import path or its name in ``ERF_TARGETS``. None: the centre unit.
        attribution (dict or str, optional): How the score is attributed to
            input pixels, such as ``dict(type='NoiseVariance', patch_size=8)``;
            of your own likewise, by ``ERF_ATTRIBUTIONS``. None: the input
            gradient.
        shares (sequence of float): Shares of the map's sum that statistics
            report, each in (0, 1].
        input_size (tuple[int, int], optional): Measure everything at this
            (H, W) instead of each image's own size.
        batch_size (int, optional): Most images in one pass; None for the
            loader's batches.
        amp (str, optional): ``'bfloat16'`` or ``'float16'``; None measures
            in float32, also where validation runs in fp16.
        normalization (str): How pictures scale the map: ``'power'``,
            ``'log10'``, ``'sqrt'`` or ``'linear'``.
        on_error (str): ``'warn'`` logs a failed measurement and goes on;
            ``'raise'`` stops.
        statistics (sequence, optional): Your own statistics, by import path
            or registered name; their numbers are logged beside mmerf's.
        by_class (str, optional): ``'prediction'`` or ``'label'``, which says
            of which class a pixel is: also log
            ``erf_own_segment_share/<layer>`` and
            ``erf_own_class_share/<layer>``, means over classes. The target
            is a ClassRegion then; None: every class's largest component.

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
        statistics: Sequence[Any] | None = None,
        by_class: str | None = None,
    ) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ConfigError(
                f'interval is a whole number >= 1, not {interval!r}'
            )
        if on_error not in ('warn', 'raise'):
            raise ConfigError(
                f"on_error is 'warn' or 'raise', not {on_error!r}"
            )
        self.num_images = check_num_images(num_images)
        self.interval = interval
        self.initial = initial
        self.order = check_order(order)
        self.normalization = check_normalization(normalization)
        self.on_error = on_error
        use_statistics(statistics)
        self.options = MeasurementOptions(
            layers, target, attribution, shares, input_size, batch_size, amp,
            by_class=by_class,
        )  # fmt: skip
        self._result_keys: frozenset[str] = frozenset()
        self._session: Session | None = None
        self._validations = 0
        self._measured = False
        self._known: Known | None = None  # of the model, for the next time
        self._publisher = Publisher(self.normalization, self._report)

    # Before anything is trained, so that a mistake in the config shows early.

    def before_run(self, runner: Runner) -> None:
        """Check every setting against the model."""
        others = self._of_run(runner)
        self._result_keys = result_keys(self._new_measurement(runner))
        check_disjoint(
            self._result_keys,
            (hook._result_keys for hook in others if hook is not self),
        )
        if others[:1] == [self]:  # one warning, not one per hook
            warn_of_no_backend(runner)

    def before_train(self, runner: Runner) -> None:
        """Measure the untrained model where ``initial`` is set."""
        self._validations = past_validations(runner.train_loop)
        if self._of_run(runner)[:1] == [self]:
            lay_out_growth(runner)
            warn_of_no_validation(runner)
        if not self.initial or runner.iter > 0 or runner.val_loop is None:
            return
        with random_state():
            self._session = self._new_session(runner, runner.val_loop)
            self._session.load_and_measure(runner.val_loop.dataloader)
            self._finish(runner, step=0, mode=None)

    def before_val_epoch(self, runner: Runner) -> None:
        """Decide whether this validation is measured, and on which images."""
        remove_scalars_from_hub(runner)
        self._validations += 1
        if self._validations % self.interval == 0:
            self._session = self._new_session(runner, runner.val_loop)

    def before_test_epoch(self, runner: Runner) -> None:
        """Choose the images of this test."""
        remove_scalars_from_hub(runner)
        self._session = self._new_session(runner, runner.test_loop)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Measure the chosen images of the batch that was just validated."""
        if self._session is not None:
            self._session.measure_batch(batch_idx, data_batch)

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
        """Log maps, and give scalars to LoggerHook, which runs after this."""
        self._finish(runner, log_step(runner), mode='val')

    def after_test_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log maps and scalars of a test."""
        self._finish(runner, log_step(runner), mode='test')

    def after_val(self, runner: Runner) -> None:
        """Remove the ERF scalars from the message hub, or they log twice."""
        remove_scalars_from_hub(runner)

    def after_test(self, runner: Runner) -> None:
        """Remove the ERF scalars from the message hub."""
        remove_scalars_from_hub(runner)

    @staticmethod
    def _of_run(runner: Runner) -> list[ERFHook]:
        return [h for h in runner.hooks if isinstance(h, ERFHook)]

    def _new_measurement(self, runner: Runner) -> Measurement:
        options = replace(
            self.options,
            target=resolve_registered(self.options.target, ERF_TARGETS),
            attribution=resolve_registered(
                self.options.attribution, ERF_ATTRIBUTIONS
            ),
            classes=classes_of_runner(runner),
        )
        return Measurement(unwrapped(runner.model), options)

    def _new_session(self, runner: Runner, loop: Any) -> Session:
        with random_state():
            selection = Selection(loop.dataloader, self.num_images, self.order)
        measurement, failure = None, selection.error
        try:
            measurement = self._new_measurement(runner)
            measurement.expect(len(selection.indices))
            if self._known is not None:
                carry_over(measurement.passes, self._known)
        except Exception as error:  # no failure may stop a training
            failure = failure or error
        strict = self.on_error == 'raise'
        return Session(runner.model, measurement, selection, strict, failure)

    def _finish(self, runner: Runner, step: int, mode: str | None) -> None:
        """Merge the ranks, log the results and any failure."""
        session, self._session = self._session, None
        if session is None:  # this validation is not measured
            return
        failures = session.gather()
        for failure in failures:
            if isinstance(failure, OutputIndexError) and not self._measured:
                raise failure
        if failures:
            what = f'the ERF of step {step} was not measured'
            self._report(what, failures[0])
            return
        self._measured = True
        self._known = found_by(session.measurement.passes)
        try:
            with random_state():  # a backend of somebody's own may draw
                number = 1 + self._of_run(runner).index(self)
                self._publisher.publish(runner, session, step, mode, number)
        except Exception as error:  # no failure may stop a training
            self._report(f'the ERF of step {step} was not logged', error)

    def _report(self, what: str, error: Exception) -> None:
        """Warn of a failure, or raise it, as ``on_error`` says."""
        if self.on_error == 'raise':
            raise error
        warn(what, error)
