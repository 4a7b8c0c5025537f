"""Log one measured validation: maps, figures, scalars and one log line."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner

from ...core.aggregate.batch_maps import absent_everywhere, excluded_images
from ...core.by_class.contexts import class_contexts
from ...core.errors import MeasurementError
from ...core.measurement import Measurement
from ..pictures import growth_records, pictures_of
from ..publish import (
    add_scalars_to_hub,
    format_scalars,
    publish,
    publish_scalars,
    rename_test_results,
    scalars_of,
    warn,
)
from ..publish_contexts import publish_contexts, scalars_of_contexts
from ..session import Session
from ..theory import TheoryCache


class Publisher:
    """Logs the finished measurements of a run.

    Args:
        normalization (str): Of the pictures.
        report (callable): ``report(what, error)`` is called with a failure
            that leaves the rest of the log whole.
    """

    def __init__(
        self, normalization: str, report: Callable[[str, Exception], None]
    ) -> None:
        self.normalization, self.report = normalization, report
        self._logged_step: int | None = None
        self._theory = TheoryCache()
        self._history: list[dict] = []  # since this run began

    def publish(
        self,
        runner: Runner,
        session: Session,
        step: int,
        mode: str | None,
        number: int = 1,
    ) -> None:
        """Log a session's results at a step.

        Args:
            runner (Runner): Whose backends and message hub get them.
            session (Session): Gathered over all ranks.
            step (int): The step to log at.
            mode (str, optional): ``'val'`` or ``'test'``; None before the
                first training iteration, where no LoggerHook follows.
            number (int): Of the hook among those of the run, from 1.
        """
        measurement = session.measurement
        self._report_left_out(measurement, step)
        if is_main_process() and measurement.kind == 'erf':
            self._theory.add_to(measurement)
        began = time.perf_counter()
        results = measurement.compute()
        contexts = (
            class_contexts(measurement, results)
            if measurement.options.by_class
            else {}
        )
        if mode == 'test' and step == self._logged_step:
            results = rename_test_results(results)
            contexts = rename_test_results(contexts)
        self._logged_step = step
        history = []
        if mode != 'test':
            earlier = [r for r in self._history if r['step'] != step]
            history = self._history = earlier + growth_records(results, step)
        tags = {**scalars_of(results), **scalars_of_contexts(contexts)}
        pictures = pictures_of(
            results, step, self.normalization, history, number
        )
        errors = publish(runner, results, step, pictures, tags)
        errors.update(publish_contexts(runner, contexts, step))
        self._report_backends(errors, f'the ERF of step {step}')
        in_hub = mode is not None and add_scalars_to_hub(runner, tags, mode)
        if mode != 'val' or not in_hub:  # else LoggerHook passes them on
            errors = publish_scalars(runner, tags, step)
            self._report_backends(errors, 'the ERF scalars')
        summary = session.summary(step, time.perf_counter() - began)
        if not in_hub:
            summary += f': {format_scalars(tags)}'
        print_log(summary, logger='current')

    def _report_left_out(self, measurement: Measurement, step: int) -> None:
        for layer, names in excluded_images(measurement.accumulators).items():
            self.report(
                f'{layer}: {len(names)} map(s) left out at step {step}',
                MeasurementError(f'not finite for {", ".join(names[:5])}'),
            )
        for reason in absent_everywhere(measurement.accumulators).values():
            warn('not measured', reason)

    def _report_backends(
        self, errors: Mapping[str, Exception], what: str
    ) -> None:
        for backend, error in errors.items():
            self.report(f'{backend} did not take {what}', error)
