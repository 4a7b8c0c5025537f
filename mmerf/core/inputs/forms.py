"""The forms in which images are given, told apart, to batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from ..batch import Batch, JoinedInputs, batch_of
from ..errors import ConfigError
from .joining import FORMS, form_of, is_image_like, join_inputs


def batches_of(
    model: Callable, images: Any, forward: Callable | None = None
) -> Iterator[Batch]:
    """Batches of what ``measure_erf`` is given, whose forms it describes.

    Args:
        model (callable): Runs the images where ``forward`` is None.
        images: A Tensor, a mapping, a tuple, or an iterable of batches.
        forward (callable, optional): ``forward(inputs)``, of the same form
            as a batch.

    Yields:
        Batch: With images named by number.

    Raises:
        ConfigError: If the form is another one, or not clear.
    """
    single = isinstance(images, (Tensor, Mapping, tuple))
    if not single and not isinstance(images, Iterable):
        raise ConfigError(f'images are {form_of(images)}; {FORMS}')
    seen = 0
    for given in [images] if single else images:
        if isinstance(given, (list, tuple)) and not single:
            given = _without_labels(given)
        inputs, joined = _joined_of(given)
        run = forward or model
        if joined is not None:
            run = _running(joined, model, forward)
        batch = batch_of(run, inputs, seen, joined, forward is not None)
        yield batch
        seen += len(batch)


def count_images(images: Any) -> int | None:
    """How many images are given; None where only running them would tell.

    Args:
        images: As for ``batches_of``.

    Example:
        >>> import torch
        >>> count_images([torch.zeros(2, 3, 8, 8), torch.zeros(1, 3, 8, 8)])
        3
    """
    if isinstance(images, Tensor):
        return len(images) if images.dim() else None
    if isinstance(images, (Mapping, tuple)):
        every = images.values() if isinstance(images, Mapping) else images
        return count_images(next(iter(every), None))
    if isinstance(images, list):
        counts = [
            count_images(item[0] if type(item) is list and item else item)
            for item in images
        ]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None
    if isinstance(images, DataLoader) and images.batch_size is not None:
        with suppress(TypeError):  # of a data set without a length
            return len(images) * images.batch_size
    return None


def _joined_of(given: Any) -> tuple[Any, JoinedInputs | None]:
    if isinstance(given, Mapping):
        return join_inputs(given)
    if isinstance(given, tuple):
        named = {f'input{i}': value for i, value in enumerate(given)}
        return join_inputs(named, positional=True)
    return given, None


def _running(
    joined: JoinedInputs, model: Callable, forward: Callable | None
) -> Callable[[Tensor], Any]:
    if forward is not None:
        return lambda images: forward(joined.split(images))
    _check_takes(model, joined)
    return lambda images: joined.run(model, images)


def _check_takes(model: Any, joined: JoinedInputs) -> None:
    """Raise ConfigError where a model cannot be called with the inputs."""
    names = list(joined.channels)
    by_name = {} if joined.positional else dict.fromkeys(names)
    try:
        signature = inspect.signature(getattr(model, 'forward', model))
    except (TypeError, ValueError):  # of compiled code
        return
    try:
        signature.bind(*(names if joined.positional else ()), **by_name)
    except TypeError as error:
        raise ConfigError(
            f'the model does not take the inputs {", ".join(names)} '
            f'({error}); a mapping names them as its forward does, a tuple '
            'has their order, and forward= runs any other'
        ) from error


def _without_labels(items: Sequence[Any]) -> Any:
    """A loader's batch: its images, or a tuple of several inputs.

    Labels are whole numbers, one number per image, or no Tensor. A list of
    several images is what a loader makes of (image, mask) pairs and of two
    inputs alike.
    """
    if not items or not is_image_like(items[0]):
        first = form_of(items[0]) if items else 'nothing'
        raise ConfigError(f'the first item of a batch is {first}; {FORMS}')
    others = items[1:]
    if not any(_is_unclear(item) for item in others):
        return items[0]
    if isinstance(items, tuple) and all(map(is_image_like, others)):
        return items
    unclear = next(item for item in others if _is_unclear(item))
    raise ConfigError(
        f'a batch is a {type(items).__name__} with {form_of(unclear)}, which '
        'may be a label or an input; let each batch be its images, or a '
        'mapping of several inputs by name'
    )


def _is_unclear(item: Any) -> bool:
    """Whether a batch's further item may be an input."""
    return (
        isinstance(item, Tensor)
        and item.dim() > 1
        and (item.is_floating_point() or item.is_complex())
    )
