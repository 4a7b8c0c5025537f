"""Checkpoints in place of runs: measured first, then compared."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError, one_line
from ...core.results.erf_result import ERFResult
from ..erf import run_erf


def config_of_training(checkpoint: str | os.PathLike) -> Path:
    """The config that MMEngine writes beside the checkpoints of a training.

    Raises:
        ConfigError: If there is not exactly one.
    """
    folder = Path(checkpoint).parent
    found = sorted(folder.glob('*.py'))
    if len(found) != 1:
        held = ', '.join(path.name for path in found[:4]) or 'none'
        raise ConfigError(
            f'{one_line(folder)} holds {held} where one config of the '
            'training is looked for; give one with --config (config=)'
        )
    return found[0]


def measure_checkpoint(
    checkpoint: str | os.PathLike,
    config: str | os.PathLike | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> dict[str, ERFResult]:
    """Measure a checkpoint as :func:`mmerf.apis.run_erf` does.

    Args:
        checkpoint: The file.
        config: Of its network; None for the one of its training.
        say (callable): Called with what is measured, and with every note.
        **options: Arguments of ``run_erf``.

    Returns:
        dict[str, ERFResult]: By layer.

    Raises:
        ERFError: If the config, the checkpoint or a setting is wrong.
    """
    chosen = config or config_of_training(checkpoint)
    say(f'measuring {one_line(checkpoint)} with {one_line(chosen)}')
    run = run_erf(chosen, checkpoint, **options)
    for note in run.notes:
        say(f'note: {note}')
    return run.results
