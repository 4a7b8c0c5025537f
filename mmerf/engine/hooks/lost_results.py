"""Runs whose configs leave nothing to measure, or nowhere to keep it."""

from __future__ import annotations

from mmengine.runner import Runner

from ..publish import warn


def warn_of_no_validation(runner: Runner) -> None:
    """Warn if a training has no validation, in which alone it is measured."""
    if runner.val_loop is None:
        warn(
            'nothing will be measured in this training',
            'it has no validation; give the config val_dataloader, val_cfg '
            'and val_evaluator',
        )


def warn_of_no_backend(runner: Runner) -> None:
    """Warn if no vis backend would take maps and figures."""
    if not runner.visualizer._vis_backends:
        warn(
            'no map and no figure will be kept',
            'the visualizer has no vis backend; give it '
            "vis_backends=[dict(type='ERFVisBackend')]",
        )
