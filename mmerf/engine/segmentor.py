"""(model, data batch) -> the network's input, and how validation runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from ..core.errors import BatchError, ConfigError
from ..core.retry import is_out_of_memory
from .augmented import is_augmented, nearest_plain
from .forwards import forward_of
from .inputs import Rebuild, measured_input
from .labels import ground_truth
from .window import middle_window


@dataclass(frozen=True)
class PreparedBatch:
    """A data batch, ready to be measured.

    Attributes:
        inputs (Tensor): What the data preprocessor hands to the network,
            (N, C, H, W); of the slide test mode, one window of it.
        metas (list[dict]): Meta information, one per image.
        names (list[str]): What to call each image: its path where known.
        forward (callable): ``forward(inputs, metas)`` runs the network as
            validation does.
        kind (str): What ``inputs`` is, in words.
        labels (callable): Gives the ground truth over ``inputs``, class
            indices (N, H, W); None where an image has none.
    """

    inputs: Tensor
    metas: list[dict]
    names: list[str]
    forward: Callable[[Tensor, Sequence[Mapping]], Any]
    kind: str = 'whole image'
    labels: Callable[[], Tensor | None] = lambda: None


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DDP, test-time augmentation and compilation."""
    while True:
        if is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        elif hasattr(model, '_orig_mod'):
            model = model._orig_mod
        else:
            return model


def prepare(
    model: nn.Module,
    data_batch: Any,
    only: Sequence[int] | None = None,
    layers: Iterable[str] = (),
) -> PreparedBatch:
    """Preprocess a batch as validation does.

    Args:
        model (nn.Module): An OpenMMLab model.
        data_batch (dict): With ``inputs`` and ``data_samples``, collated; of
            test-time augmentation, the unflipped one whose scale is nearest
            1 is taken.
        only (sequence of int, optional): Positions of the images to keep;
            None keeps all.
        layers (iterable of str): Names of the asked modules: auxiliary heads
            only run where one of theirs is among them.

    Returns:
        PreparedBatch: On the model's device; ``data_batch`` is unchanged.

    Raises:
        ConfigError: If the model or the batch is not of that form; a
            BatchError, if its data preprocessor does not take the batch.
    """
    model = unwrapped(model)
    preprocessor: Any = getattr(model, 'data_preprocessor', None)
    if preprocessor is None:
        raise ConfigError(
            f'{type(model).__name__} has no data_preprocessor; use '
            'mmerf.measure_erf for a plain torch module'
        )
    if not isinstance(data_batch, Mapping) or 'inputs' not in data_batch:
        raise ConfigError(
            'a data batch is a dict with inputs and data_samples, not '
            f'{type(data_batch).__name__}; end the pipeline in PackSegInputs'
        )
    inputs, rebuild, samples, metas = _preprocessed(
        preprocessor, data_batch, only
    )
    size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
    names = [
        str(meta.get('img_path') or f'image {i}')
        for i, meta in enumerate(metas)
    ]
    forward = forward_of(model, metas, samples, rebuild, layers)
    window = middle_window(model, size)
    labels = partial(ground_truth, samples, size, window)
    if window is None:
        return PreparedBatch(inputs, metas, names, forward, labels=labels)
    rows, columns = window
    inputs = inputs[..., rows, columns]
    kind = 'one window of the slide test mode, {} x {}'.format(
        *inputs.shape[-2:]
    )
    return PreparedBatch(inputs, metas, names, forward, kind, labels)


def _preprocessed(
    preprocessor: Any, data_batch: Mapping, only: Sequence[int] | None
) -> tuple[Tensor, Rebuild, Any, list[dict]]:
    """The measured input, the whole one's maker, samples, meta information.

    Raises:
        BatchError: If the data preprocessor does not take the batch.
    """
    try:
        batch = dict(data_batch)
        if is_augmented(batch):
            batch = nearest_plain(batch)
        if only is not None:
            batch = {key: _take(value, only) for key, value in batch.items()}
        data = preprocessor(batch, False)
        samples = data.get('data_samples')
        inputs, rebuild = measured_input(data['inputs'])
        size = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        metas = [
            {**_no_sample(size), **(sample.metainfo if sample else {})}
            for sample in (samples or [None] * len(inputs))
        ]
    except Exception as error:
        if isinstance(error, ConfigError) or is_out_of_memory(error):
            raise
        said = ' '.join(str(error).split())[:160]
        raise BatchError(
            f'{type(preprocessor).__name__} does not take this batch '
            f'({type(error).__name__}: {said}); a batch is dict(inputs=[(C, '
            'H, W) tensors], data_samples=[...]), as PackSegInputs makes it'
        ) from error
    return inputs, rebuild, samples, metas


def prepare_tensor(
    model: nn.Module, inputs: Tensor, layers: Iterable[str] = ()
) -> PreparedBatch:
    """A batch from tensors that need no preprocessing, (N, C, H, W)."""
    device = next(model.parameters()).device
    metas = [_no_sample(tuple(inputs.shape[2:])) for _ in inputs]
    names = [f'image {i}' for i in range(len(inputs))]
    forward = forward_of(model, metas, None, lambda images, _: images, layers)
    return PreparedBatch(inputs.to(device), metas, names, forward)


def _take(value: Any, only: Sequence[int]) -> Any:
    """Some images of what a batch holds, list or mapping of lists."""
    if isinstance(value, Mapping):
        return {key: _take(item, only) for key, item in value.items()}
    if isinstance(value, Tensor):
        return value[list(only)]
    return None if value is None else [value[i] for i in only]


def _no_sample(size: tuple[int, ...]) -> dict:
    return {
        'ori_shape': size,
        'img_shape': size,
        'pad_shape': size,
        'padding_size': [0, 0, 0, 0],
    }
