"""From a data batch of MMEngine to a ``Batch`` that can be measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from ...core.batch import Batch, JoinedInputs
from ...core.errors import BatchError, ConfigError, one_line
from ...core.running.memory import is_out_of_memory
from ...core.state.isolation import state_restored
from .forwards import forward_of
from .inputs import Rebuild, measured_inputs
from .labels import ground_truth
from .slide_window import middle_window
from .tta import is_augmented, plainest_augmentation


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DDP, test-time augmentation and compilation."""
    inner: Any = model
    while True:
        if is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
            inner = inner.module
        elif hasattr(inner, '_orig_mod'):
            inner = inner._orig_mod
        else:
            return inner


def prepare(
    model: nn.Module,
    data_batch: Any,
    only: Sequence[int] | None = None,
    layers: Iterable[str] = (),
    preprocessor: Any = None,
) -> Batch:
    """Preprocess a batch as validation does.

    Args:
        model (nn.Module): An OpenMMLab model; any torch module where
            ``preprocessor`` is given.
        data_batch (dict): With ``inputs`` and ``data_samples``, collated.
            Under test-time augmentation, the unflipped images whose scale is
            nearest 1 are used.
        only (sequence of int, optional): Positions of the images to keep;
            None keeps all.
        layers (iterable of str): Names of the measured modules: auxiliary
            heads run only where one of theirs is among them.
        preprocessor (callable, optional): Makes the model's input of the
            batch; None for the model's ``data_preprocessor``.

    Returns:
        Batch: On the model's device; ``data_batch`` is unchanged.

    Raises:
        ConfigError: If the model or the batch is not of that form.
        BatchError: If the model's data preprocessor does not take the batch.
    """
    model = unwrapped(model)
    if preprocessor is None:
        preprocessor = getattr(model, 'data_preprocessor', None)
    if preprocessor is None:
        raise ConfigError(
            f'{type(model).__name__} has no data_preprocessor; use '
            'mmerf.measure_erf for a plain torch module'
        )
    if not isinstance(data_batch, Mapping) or 'inputs' not in data_batch:
        raise ConfigError(
            'a data batch is a dict with inputs and data_samples, not '
            f'{type(data_batch).__name__}; end the pipeline in PackSegInputs '
            '(mmpretrain: PackInputs, mmdet: PackDetInputs)'
        )
    inputs, rebuild, joined, samples, metas = _preprocessed(
        preprocessor, data_batch, only
    )
    if len(metas) != len(inputs):
        raise BatchError(
            f'{len(metas)} data_samples for {len(inputs)} image(s); a batch '
            'has one data sample per image'
        )
    size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
    names = [
        str(meta.get('img_path') or f'image {i}')
        for i, meta in enumerate(metas)
    ]
    forward = forward_of(model, metas, samples, rebuild, layers)
    window = middle_window(model, size)
    labels = partial(ground_truth, samples, size, window)
    kind = 'whole image'
    if window is not None:
        inputs = inputs[(..., *window)]
        kind = 'one window of the slide test mode, {} x {}'.format(
            *inputs.shape[-2:]
        )
    return Batch(inputs, forward, names, metas, labels, kind, joined)


def _preprocessed(
    preprocessor: Any, data_batch: Mapping, only: Sequence[int] | None
) -> tuple[Tensor, Rebuild, JoinedInputs | None, Any, list[dict]]:
    """The measured inputs, how to rebuild the whole, samples and metas.

    Raises:
        BatchError: If the data preprocessor does not take the batch.
    """
    try:
        batch = dict(data_batch)
        if is_augmented(batch):
            batch = plainest_augmentation(batch)
        if only is not None:
            batch = {key: _take(value, only) for key, value in batch.items()}
        with state_restored(preprocessor):
            data = preprocessor(batch, False)
        samples = data.get('data_samples')
        inputs, rebuild, joined = measured_inputs(data['inputs'])
        size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        metas = [
            {**_default_meta(size), **(sample.metainfo if sample else {})}
            for sample in (samples or [None] * len(inputs))
        ]
    except Exception as error:  # whatever a preprocessor raises
        if isinstance(error, ConfigError) or is_out_of_memory(error):
            raise
        raise BatchError(
            f'{type(preprocessor).__name__} does not take this batch '
            f'({type(error).__name__}: {one_line(error, 160)}); a batch is '
            'dict(inputs=[(C, H, W) tensors], data_samples=[...]), as '
            'PackSegInputs makes it (mmpretrain: PackInputs, mmdet: '
            'PackDetInputs)'
        ) from error
    return inputs, rebuild, joined, samples, metas


def prepare_tensor(
    model: nn.Module, inputs: Tensor, layers: Iterable[str] = ()
) -> Batch:
    """A batch from tensors that need no preprocessing, (N, C, H, W)."""
    first = next(model.parameters(), inputs)
    metas = [_default_meta(tuple(inputs.shape[2:])) for _ in inputs]
    names = [f'image {i}' for i in range(len(inputs))]
    forward = forward_of(model, metas, None, lambda images, _: images, layers)
    return Batch(inputs.to(first.device), forward, names, metas)


def _take(value: Any, only: Sequence[int]) -> Any:
    """Some images of a batch's entry: list, tensor, or mapping of those."""
    if isinstance(value, Mapping):
        return {key: _take(item, only) for key, item in value.items()}
    if isinstance(value, Tensor):
        return value[list(only)]
    return None if value is None else [value[i] for i in only]


def _default_meta(size: tuple[int, ...]) -> dict:
    return {
        'ori_shape': size,
        'img_shape': size,
        'pad_shape': size,
        'padding_size': [0, 0, 0, 0],
    }
