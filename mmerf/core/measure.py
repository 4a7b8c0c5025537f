"""Measure ERFs: model and images in, one ERFResult per layer out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from torch import Tensor, nn

from .aggregate.batch_maps import (
    absent_everywhere,
    excluded_images,
    without_finite_map,
)
from .errors import ConfigError, MeasurementError
from .inputs.forms import batches_of, count_images
from .measurement import Measurement
from .options import MeasurementOptions
from .passes.together import Together, may_run_together
from .results.erf_result import ERFResult
from .statistics import SHARES
from .theory.by_input import find_theory_by_input
from .theory.theory import missing_notes

Images = Tensor | Mapping[str, Tensor] | tuple[Tensor, ...]


def measure_erf(
    model: nn.Module,
    images: Images | Iterable[Images | Sequence[Tensor]],
    layers: Sequence[str | dict] | str | None = None,
    *,
    target: Any = None,
    attribution: Any = None,
    forward: Callable[[Any], Any] | None = None,
    shares: Sequence[float] = SHARES,
    input_size: Sequence[int] | None = None,
    batch_size: int | None = None,
    amp: str | None = None,
    theory: bool = False,
    provenance: Mapping | None = None,
    classes: Sequence[str] | None = None,
    without: Sequence[str] | str | None = None,
) -> dict[str, ERFResult]:
    """Effective receptive fields of a model's layers.

    Args:
        model (nn.Module): Any torch module; it is left as it was.
        images: What is measured: normalised inputs, a Tensor (N, C, H, W), or
            clips (N, frames, C, H, W), which give one map each, summed over
            frames. Several inputs: a mapping of such Tensors by name, or a
            tuple of them (``input0``, ``input1``), that agree in all but
            channels; each gets a map of its own, from the same backward
            pass. An iterable of any of these, such as a DataLoader; labels
            that come with images, as (image, label), are left out.
        layers (sequence of str, optional): Module names, globs (``*`` stops
            at a dot, ``**`` crosses it) and output indices (``name[i]``).
            None: the outputs of ``backbone`` and ``decode_head``.
        target, attribution: What is scored, and how it is attributed; a
            name, ``dict(type=...)`` or object. None: the centre unit, the
            positive input gradient. A list of targets, one for each image of
            a batch, asks every image its own.
        forward (callable, optional): ``forward(inputs)`` runs the model on
            some of the measured images, of the form in which they are given,
            and may make any structure of them (tuple, dict, list of frames);
            None calls ``model(inputs)``, ``model(**inputs)`` for a mapping
            and ``model(*inputs)`` for a tuple. A second input that it holds
            itself is not cut with the images: before a batch is cut for the
            first time, or copies of its images are run, the whole batch is
            compared with its parts, and a difference is an error. A layer
            may return one output for every frame of the clips, clip after
            clip: a unit's channels are then those of all its frames.
        shares (sequence of float): Shares that the statistics report.
        input_size (tuple[int, int], optional): Resize inputs to this (H, W).
        batch_size (int, optional): Most images in one pass; None: 8 for one
            Tensor, else each batch as it comes. From six on, images that a
            list holds one by one are run several in a pass where that takes
            less time, once every operation is confirmed to keep images apart,
            and one of them to have the same outputs and map beside others as
            alone; 1 runs each by itself.
        amp (str, optional): ``'bfloat16'`` or ``'float16'``.
        theory (bool): Also find each layer's theoretical receptive field, on
            a private copy of the model; not with ``forward``. A layer without
            one gives a warning with the reason.
        provenance (mapping, optional): Stored with every result.
        classes (sequence of str, optional): Names of the model's classes, for
            targets that name some.
        without (sequence of str, optional): Modules to switch off, by name or
            glob. A branch, whose output is only added to or concatenated with
            others, becomes zero; another module is removed: it returns its
            input. ``NAME=zero`` and ``NAME=identity`` state the way. Results
            name it in ``provenance['without']``.

    Returns:
        dict[str, ERFResult]: By layer key, in the order of ``layers``; of
        several inputs, ``'layer@input'``; with a class, ``'layer:class'`` or
        ``'layer@input:class'``. Grad-CAM has one map of all inputs. A class
        that no image has gives no result, and a warning.

    Raises:
        LayerError: If a layer does not exist or cannot be read.
        TargetError: If a target does not fit a layer or the batch.
        MeasurementError: If there is no image, a map is never finite, none
            of the classes is in any image, or ``forward`` gives a part of a
            batch other outputs than the whole.
        ConfigError: If an argument does not fit, such as inputs of different
            sizes, or a module cannot be switched off.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
        >>> _ = nn.init.ones_(net[0].weight)
        >>> results = measure_erf(net, torch.rand(2, 3, 9, 9), ['0'])
        >>> results['0'].statistics()['centred_square']['0.99']['side']
        3

        A model of single frames, measured on clips:

        >>> clips = torch.rand(2, 4, 3, 9, 9)  # clip, frame, C, H, W
        >>> def forward(clips):
        ...     return net(clips.flatten(0, 1))
        >>> results = measure_erf(net, clips, ['0'], forward=forward)
        >>> results['0'].map.shape, results['0'].num_images
        ((9, 9), 2)

        A model of two inputs:

        >>> class Fusion(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.head = nn.Conv2d(4, 2, 3, padding=1)
        ...     def forward(self, rgb, depth):
        ...         return self.head(torch.cat([rgb, depth], 1))
        >>> pair = {'rgb': clips[:, 0], 'depth': torch.rand(2, 1, 9, 9)}
        >>> list(measure_erf(Fusion(), pair, ['head']))
        ['head@rgb', 'head@depth']
    """
    options = MeasurementOptions(
        layers,
        target,
        attribution,
        shares,
        input_size,
        batch_size,
        amp,
        classes,
        without=without,
    )
    measured = measure_batches(model, images, options, forward, theory)
    return measured.compute(provenance)


def measure_each(
    model: nn.Module,
    images: Images | Iterable[Images | Sequence[Tensor]],
    layers: Sequence[str | dict] | str | None = None,
    *,
    forward: Callable[[Any], Any] | None = None,
    theory: bool = False,
    provenance: Mapping | None = None,
    **options: Any,
) -> list[dict[str, ERFResult]]:
    """Effective receptive fields of each image, instead of their mean.

    The images of a batch share one forward pass, and one backward pass per
    score; nothing is run image by image.

    Args:
        model, images, layers, forward, theory, provenance: See
            :func:`mmerf.measure_erf`.
        **options: Further arguments of :func:`mmerf.measure_erf`: ``target``,
            ``attribution``, ``shares``, ``input_size``, ``batch_size``,
            ``amp``, ``classes``, ``without``.

    Returns:
        list[dict[str, ERFResult]]: For each image, in order, its results by
        layer key, or ``'layer:class'``, with its own unit pixel and counts.
        A class that an image does not show is no key of that image; nor is
        a map that is not finite, with a warning.

    Raises:
        ERFError: As :func:`mmerf.measure_erf` does.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
        >>> each = measure_each(net, torch.rand(2, 3, 9, 9), ['0'])
        >>> len(each), each[1]['0'].num_images, each[1]['0'].map.shape
        (2, 1, (9, 9))
        >>> each[1]['0'].provenance['image']
        'image 1'
    """
    kept = MeasurementOptions(layers, per_image=True, **options)
    measured = measure_batches(model, images, kept, forward, theory)
    if not measured.seen:
        raise MeasurementError('no image was measured; give at least one')
    for key, names in excluded_images(measured.accumulators).items():
        text = f'{key}: left out as not finite: {", ".join(names[:5])}'
        warnings.warn(text, stacklevel=2)
    return [found for _, found in measured.compute_each(provenance)]


def measure_batches(
    model: nn.Module,
    images: Images | Iterable[Images | Sequence[Tensor]],
    options: MeasurementOptions,
    forward: Callable[[Any], Any] | None = None,
    theory: bool = False,
) -> Measurement:
    """A measurement of images, checked and complete.

    Args:
        model, images, forward, theory: See :func:`measure_erf`.
        options (MeasurementOptions): All else.
    """
    measurement = Measurement(model, options)
    measurement.expect(count_images(images))
    if theory and forward is not None:
        raise ConfigError(
            'theory=True runs a private copy of the model, which forward= '
            'does not know; leave one of them out'
        )
    _update(measurement, images, forward)
    failures = without_finite_map(measurement.accumulators)
    if failures:
        key, reason = next(iter(failures.items()))
        raise MeasurementError(f'{key}: {reason}')
    absent = absent_everywhere(measurement.accumulators)
    if measurement.seen and len(absent) == len(measurement.accumulators):
        raise MeasurementError('; '.join(absent.values()))
    for reason in absent.values():
        warnings.warn(reason, stacklevel=3)
    if theory and measurement.seen and measurement.kind == 'erf':
        channels, height, width = measurement.input_shape
        with measurement.passes.switched_off.applied():
            measurement.theory = find_theory_by_input(
                model,
                measurement.scored.layers,
                measurement.joined,
                (channels, height, width),
                measurement.target.unit,
            )
        keys = measurement.accumulators
        for note in missing_notes(measurement.theory_of, keys):
            warnings.warn(note, stacklevel=3)
    return measurement


def _update(
    measurement: Measurement, images: Any, forward: Callable | None
) -> None:
    """Measure all images; those of a list, several in a pass.

    Not those of a generator or a loader: what its code does before it yields
    an image, such as to set the model, may be meant for that one alone. Nor
    is the model known to be the same then.
    """
    passes, options = measurement.passes, measurement.options
    batches = batches_of(measurement.model, images, forward)
    ours = type(images) in (Tensor, list)  # nobody else's code yields them
    with passes.between.nothing_runs() if ours else nullcontext():
        if type(images) is list and may_run_together(
            passes, measurement.target, options
        ):
            Together(
                passes,
                measurement.update,
                lambda: measurement.batch_size or measurement.fitting,
            ).run(batches)
            return
        for batch in batches:
            measurement.update(batch)
