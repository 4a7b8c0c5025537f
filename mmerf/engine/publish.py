"""How results reach the log line, scalars.json and every vis backend."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner

from ..core.results.erf_result import ERFResult
from ..core.statistics import shown_numbers
from ..core.statistics.base import SCALARS
from ..plots.drawing.render import to_rgb
from ..plots.drawing.style import literal
from ..plots.map import plot_map
from .backends import add_image, add_layout, join_metrics, scalars_for

SCALAR_SHARES = (0.5, 0.99)


def log_step(runner: Runner) -> int:
    """The step that LoggerHook uses: iteration, or epoch; 0 in a bare test.

    Where it would log by epoch in a loop that counts none, all at step 0,
    the iteration. Asking a runner that never trained for its iteration would
    build the training loop, and with it the training data.
    """
    loop = runner._train_loop
    if loop is None or isinstance(loop, dict):
        return 0
    by_epoch = _by_epoch(runner) and not _counts_no_epoch(runner)
    return int(runner.epoch if by_epoch else runner.iter)


def apart(
    results: Mapping[str, ERFResult], taken: bool
) -> dict[str, ERFResult]:
    """Results of a test, under names that leave a validation's alone.

    Args:
        results (mapping of str to ERFResult): By layer.
        taken (bool): Whether a validation was logged at the same step.
    """
    if not taken:
        return dict(results)
    return {
        f'test:{layer}': replace(result, layer=f'test:{layer}')
        for layer, result in results.items()
    }


def scalars_of(results: Mapping[str, ERFResult]) -> dict[str, float]:
    """The headline scalars of each layer, by their tags.

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
            tags[f'erf/{layer}/{number.key}'] = (
                math.nan if value is None else value
            )
        tags[f'erf/{layer}/zero_score_images'] = result.zero_score_images
    return tags


def publish(
    runner: Runner,
    results: Mapping[str, ERFResult],
    step: int,
    normalization: str,
) -> dict[str, Exception]:
    """Hand results to every vis backend, the picture where it takes those.

    Args:
        runner (Runner): Whose visualizer's backends are served.
        results (mapping of str to ERFResult): By layer.
        step (int): The step to log at.
        normalization (str): Of the pictures.

    Returns:
        dict[str, Exception]: Backends that failed, and how.
    """
    errors: dict[str, Exception] = {}
    if not is_main_process():
        return errors
    for layer, result in results.items():
        picture: np.ndarray | None = None
        for name, backend in runner.visualizer._vis_backends.items():
            try:
                if hasattr(backend, 'add_erf'):
                    backend.add_erf(result, step)
                    continue
                if picture is None:
                    picture = _picture(result, step, normalization)
                add_image(backend, layer, picture, step)
            except Exception as error:  # one backend must not stop others
                errors[name] = error
    return errors


def publish_scalars(
    runner: Runner, tags: dict[str, float], step: int
) -> dict[str, Exception]:
    """Hand scalars to every vis backend, where LoggerHook does not.

    Returns:
        dict[str, Exception]: Backends that failed, and how.
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
        except Exception as error:
            errors[name] = error
    return errors


def lay_out_growth(runner: Runner) -> None:
    """Lay out growth over training where a vis backend has layouts."""
    if not is_main_process():
        return
    for name, backend in runner.visualizer._vis_backends.items():
        try:
            add_layout(backend)
        except Exception as error:
            warn(f'{name} did not take the layout of its charts', error)


def put_scalars(runner: Runner, tags: dict[str, float], mode: str) -> bool:
    """Put the scalars of a validation or test into the hub.

    LoggerHook takes them from there to the log line and, of a validation, to
    every vis backend.

    Returns:
        bool: False where a backend could lose the validation's own metrics
        with them, or stop the run, or LoggerHook would log them at a step
        that stays 0: then nothing was put.
    """
    backends = runner.visualizer._vis_backends
    another_step = _by_epoch(runner) and _counts_no_epoch(runner)
    if mode == 'val' and (another_step or not join_metrics(backends, tags)):
        return False
    for tag, value in tags.items():
        runner.message_hub.update_scalar(f'{mode}/{tag}', value)
    return True


def forget_scalars(runner: Runner) -> None:
    """Take every ERF scalar out of the hub, also one that was resumed.

    A scalar that stayed would be logged again at the next validation.
    """
    scalars = runner.message_hub.log_scalars
    for key in list(scalars):
        if key.startswith(('val/erf/', 'test/erf/')):
            del scalars[key]


def warn(what: str, reason: object) -> None:
    """Log a failure on one line; the run goes on."""
    text = ' '.join(str(reason).split())
    if isinstance(reason, Exception):
        text = f'{type(reason).__name__}: {text}'
    print_log(
        f'ERFHook: {what}: {text}; the run goes on',
        logger='current',
        level=logging.WARNING,
    )


def _picture(result: ERFResult, step: int, normalization: str) -> np.ndarray:
    fig, _ = plot_map(
        result,
        normalization=normalization,
        title=f'{literal(result.layer)}, step {step}, '
        f'{result.num_images} image(s)',
    )
    return to_rgb(fig)


def _by_epoch(runner: Runner) -> bool:
    return bool(getattr(_logger_hook(runner), 'log_metric_by_epoch', True))


def _counts_no_epoch(runner: Runner) -> bool:
    return isinstance(runner._train_loop, IterBasedTrainLoop)


def listed(tags: Mapping[str, float]) -> str:
    """Scalars as the log has them."""
    return '  '.join(f'{tag}: {value:.4g}' for tag, value in tags.items())


def _logger_hook(runner: Runner) -> LoggerHook | None:
    found = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
    return found[0] if found else None
