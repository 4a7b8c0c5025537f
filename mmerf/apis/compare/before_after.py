"""Models before and after their training, beside each other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import ConfigError, one_line
from ...core.results.erf_result import ERFResult
from ...plots.before_after import Pair, plot_before_after
from ...plots.drawing.figure import Figure
from .comparison import Comparison, comparison_of
from .read_runs import (
    is_training,
    read_history,
    read_run,
    runs_by_name,
    split_step,
)

Spec = str | os.PathLike


@dataclass(frozen=True)
class BeforeAfter(Comparison):
    """Two results of each model: a :class:`Comparison` in pairs.

    Attributes:
        pairs (dict[str, tuple[ERFResult, ERFResult]]): By model.
        states (tuple[str, str]): What the first and the second are.
    """

    pairs: dict[str, Pair] = field(default_factory=dict)
    states: tuple[str, str] = ('before', 'after')

    def draw(self, title: str | None = None, **look: Any) -> Figure:
        """The figure, models across; ``look`` as for ``plot_before_after``."""
        return plot_before_after(
            self.pairs, rows=self.states, title=title, **look
        )[0]


def before_after(
    specs: Sequence[Spec],
    *,
    names: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    force: bool = False,
    read: Callable[[Any], dict[str, ERFResult]] = read_run,
) -> BeforeAfter:
    """Read one layer of each model in two states.

    Args:
        specs (sequence): Trainings, of which the first and the last measured
            step are shown; or two single results of each model, before and
            after in turn, each as ``read`` takes it.
        names (sequence of str, optional): Names of the models; None for the
            parts of their paths that differ.
        layers (sequence of str, optional): Only these keys; one is left of
            each model.
        force (bool): Compare even if definitions differ.
        read (callable): Gives a single result by layer.

    Raises:
        ConfigError: If a training was not measured before its first
            iteration and after, results are no pairs, or trainings stand
            among them; if a model has not one layer, the same in both states;
            and as :func:`compare` raises it.
        ResultError: If a file is damaged.
    """
    states, spec_pairs = _in_pairs(specs)
    folders = [split_step(after)[0] for _, after in spec_pairs]
    models = runs_by_name(folders, names)
    by_name = dict(zip(models, spec_pairs, strict=True))
    runs = {
        f'{name}, {state}': read(spec)
        for name, pair in by_name.items()
        for state, spec in zip(states, pair, strict=True)
    }
    found = comparison_of(runs, layers=layers, force=force)
    for name in by_name:
        _check_one_layer(
            name, states, [runs[f'{name}, {s}'] for s in states], layers
        )
    single = [result for run in found.runs.values() for result in run.values()]
    pairs = zip(by_name, single[::2], single[1::2], strict=True)
    return BeforeAfter(
        found.runs,
        found.layers,
        pairs={name: (before, after) for name, before, after in pairs},
        states=states,
    )


def _in_pairs(
    specs: Sequence[Spec],
) -> tuple[tuple[str, str], list[tuple[Spec, Spec]]]:
    """What two states are called, and the specs of every model's."""
    trainings = [spec for spec in specs if is_training(spec)]
    if len(trainings) == len(specs):
        return (
            ('before training', 'after training'),
            [_first_and_last(spec) for spec in specs],
        )
    if trainings:
        single = next(spec for spec in specs if spec not in trainings)
        raise ConfigError(
            f'{one_line(trainings[0])} is a training and {one_line(single)} a '
            'single result; before-after takes trainings alone, or single '
            'results in pairs, such as RUN@0 RUN@160'
        )
    if len(specs) % 2:
        raise ConfigError(
            f'{len(specs)} single result(s) are not before and after of every '
            'model; give them in pairs, or trainings'
        )
    return ('before', 'after'), list(zip(specs[::2], specs[1::2], strict=True))


def _first_and_last(spec: Spec) -> tuple[str, str]:
    """Both ends of a training, as ``FOLDER@STEP``."""
    steps = sorted({record['step'] for record in read_history(spec)})
    first, last = steps[0], steps[-1]
    if first == last:
        raise ConfigError(
            f'{one_line(spec)} was measured at step {first} alone; '
            'before-after takes a first and a last step, and '
            'ERFHook(initial=True) measures step 0'
        )
    if first:
        raise ConfigError(
            f'{one_line(spec)} was first measured at step {first}, not before '
            'training; measure step 0 with ERFHook(initial=True), or give '
            f'two steps as a pair: RUN@{first} RUN@{last}'
        )
    return f'{os.fspath(spec)}@{first}', f'{os.fspath(spec)}@{last}'


def _check_one_layer(
    name: str,
    states: tuple[str, str],
    runs: Sequence[Mapping[str, ERFResult]],
    layers: Sequence[str] | None,
) -> None:
    """Raise ConfigError unless both states have one layer, the same."""
    kept = [
        [layer for layer in run if layers is None or layer in layers]
        for run in runs
    ]
    for state, keys in zip(states, kept, strict=True):
        if len(keys) > 1:
            raise ConfigError(
                f'before-after shows one layer of each model, and {name} has '
                f'{", ".join(keys)}; choose one with --layers (layers=)'
            )
        if not keys:
            raise ConfigError(
                f'{name} has no layer {", ".join(layers or ())} {state}; it '
                f'has {", ".join(runs[states.index(state)])}'
            )
    if kept[0] != kept[1]:
        raise ConfigError(
            f'{name} has {kept[0][0]} {states[0]} and {kept[1][0]} '
            f'{states[1]}; give the same layer'
        )
