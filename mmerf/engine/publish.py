"""How results reach the log line, scalars.json and every vis backend."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.visualization import BaseVisBackend

from ..core.results.class_context import ClassContext
from ..core.results.erf_result import ERFResult
from ..core.statistics import shown_numbers
from ..core.statistics.base import SCALARS
from .backends import (
    add_image,
    add_layer_runs,
    add_layout,
    may_join_metrics,
    scalars_for,
)
from .pictures import Picture

Published = TypeVar('Published', ERFResult, ClassContext)
SCALAR_SHARES = (0.5, 0.99)
_OWN_KEYS = re.compile(r'(val|test)/erf(_[^/]+)?/')


def log_step(runner: Runner) -> int:
    """The step that LoggerHook uses: iteration, or epoch.

    The iteration also where LoggerHook logs by epoch in a loop without
    epochs, which would put everything at step 0. 0 where nothing is trained:
    there ``runner.iter`` would build the training loop, and with it the data.
    """
    loop = runner._train_loop
    if loop is None or isinstance(loop, dict):
        return 0
    by_epoch = _by_epoch(runner) and not _counts_no_epoch(runner)
    return int(runner.epoch if by_epoch else runner.iter)


def rename_test_results(
    results: Mapping[str, Published],
) -> dict[str, Published]:
    """Results named ``test:<layer>``: a validation has logged ``<layer>``.

    Args:
        results (mapping of str to ERFResult or ClassContext): By layer.
    """
    return {
        f'test:{layer}': replace(result, layer=f'test:{layer}')
        for layer, result in results.items()
    }


def scalars_of(results: Mapping[str, ERFResult]) -> dict[str, float]:
    """The headline scalars of each layer, by their tags.

    A tag is a statistic with its layer, ``erf_side_0.5/backbone[3]``.
    A map that is zero everywhere has no sides: they are NaN. A picture of
    attention has none to log.
    """
    numbers = shown_numbers(SCALARS, SCALAR_SHARES)
    families = {name for name, _ in numbers}
    tags: dict[str, float] = {}
    for layer, result in results.items():
        if result.kind != 'erf':
            continue
        found = replace(result, shares=SCALAR_SHARES).statistics(families)
        for name, number in numbers:
            value = number.value(found[name])
            tags[scalar_tag(number.key, layer)] = (
                math.nan if value is None else value
            )
        if result.zero_score_images:
            tag = scalar_tag('zero_score_images', layer)
            tags[tag] = result.zero_score_images
    return tags


def scalar_tag(key: str, layer: str) -> str:
    """A scalar's name, everywhere: viewers group by what is before the ``/``.

    Example:
        >>> scalar_tag('side_0.5', 'backbone[3]')
        'erf_side_0.5/backbone[3]'
    """
    return f'erf_{key}/{layer}'


def publish(
    runner: Runner,
    results: Mapping[str, ERFResult],
    step: int,
    pictures: Iterable[Picture],
    tags: Mapping[str, float],
) -> dict[str, Exception]:
    """Give results to every vis backend.

    A backend with ``add_erf`` gets the results themselves, any other the
    pictures; TensorBoard also gets the scalars again, in one run per layer.

    Args:
        runner (Runner): With the visualizer whose backends get them.
        results (mapping of str to ERFResult): By layer.
        step (int): The step to log at.
        pictures (iterable): From ``pictures_of``.
        tags (mapping): From ``scalars_of``.

    Returns:
        dict[str, Exception]: What each backend that failed has raised, by
        its name.
    """
    errors: dict[str, Exception] = {}
    if not is_main_process():
        return errors
    drawn: dict[str, BaseVisBackend] = {}
    for name, backend in runner.visualizer._vis_backends.items():
        if not hasattr(backend, 'add_erf'):
            drawn[name] = backend
            continue
        for result in results.values():
            try:
                backend.add_erf(result, step)
            except Exception as error:  # no backend may stop a training
                errors[name] = error
    for what, draw in pictures if drawn else ():
        picture: np.ndarray | None = None
        for name, backend in drawn.items():
            try:
                if picture is None:
                    picture = draw()
                add_image(backend, what, picture, step)
            except Exception as error:  # no backend may stop a training
                errors[name] = error
    for name, backend in drawn.items():
        try:
            add_layer_runs(backend, tags, step)
        except Exception as error:  # no backend may stop a training
            errors[name] = error
    return errors


def publish_scalars(
    runner: Runner, tags: dict[str, float], step: int
) -> dict[str, Exception]:
    """Give scalars to every vis backend, where LoggerHook does not.

    Returns:
        dict[str, Exception]: What each backend that failed has raised, by
        its name.
    """
    errors: dict[str, Exception] = {}
    if not is_main_process():
        return errors
    logger = _logger_hook(runner)
    path = getattr(logger, 'json_log_path', None)
    for name, backend in runner.visualizer._vis_backends.items():
        try:
            named = scalars_for(backend, tags)
            backend.add_scalars(named, step=step, file_path=path)
        except Exception as error:  # no backend may stop a training
            errors[name] = error
    return errors


def lay_out_growth(runner: Runner) -> None:
    """Add charts of growth over training where a vis backend has such."""
    if not is_main_process():
        return
    for name, backend in runner.visualizer._vis_backends.items():
        try:
            add_layout(backend)
        except Exception as error:  # no backend may stop a training
            warn(f'{name} did not take the layout of its charts', error)


def add_scalars_to_hub(
    runner: Runner, tags: dict[str, float], mode: str
) -> bool:
    """Add the scalars of a validation or test to the message hub.

    From there LoggerHook writes them to the log line and, for a validation,
    to every vis backend.

    Args:
        runner (Runner): With the message hub.
        tags (dict[str, float]): Scalars by tag.
        mode (str): ``'val'`` or ``'test'``.

    Returns:
        bool: Whether they were added. Not where a backend could lose the
        validation's own metrics because of them, or stop the run; nor where
        LoggerHook would log them at step 0 throughout.
    """
    backends = runner.visualizer._vis_backends
    stays_at_zero = _by_epoch(runner) and _counts_no_epoch(runner)
    if mode == 'val' and (
        stays_at_zero or not may_join_metrics(backends, tags)
    ):
        return False
    for tag, value in tags.items():
        runner.message_hub.update_scalar(f'{mode}/{tag}', value)
    return True


def remove_scalars_from_hub(runner: Runner) -> None:
    """Remove the ERF scalars from the message hub, resumed ones included.

    A scalar that stayed would be logged again at the next validation.
    """
    scalars = runner.message_hub.log_scalars
    for key in list(scalars):
        if _OWN_KEYS.match(key):
            del scalars[key]


def warn(what: str, reason: object) -> None:
    """Log a failure as one line of warning."""
    text = ' '.join(str(reason).split())
    if isinstance(reason, Exception):
        text = f'{type(reason).__name__}: {text}'
    print_log(
        f'ERFHook: {what}: {text}; the run goes on',
        logger='current',
        level=logging.WARNING,
    )


def _by_epoch(runner: Runner) -> bool:
    return bool(getattr(_logger_hook(runner), 'log_metric_by_epoch', True))


def _counts_no_epoch(runner: Runner) -> bool:
    return isinstance(runner._train_loop, IterBasedTrainLoop)


def format_scalars(tags: Mapping[str, float]) -> str:
    """Scalars as the log has them."""
    return '  '.join(f'{tag}: {value:.4g}' for tag, value in tags.items())


def _logger_hook(runner: Runner) -> LoggerHook | None:
    found = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
    return found[0] if found else None
