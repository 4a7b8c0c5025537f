"""(model, data batch) -> the network's input, and how validation runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.model import is_model_wrapper
from torch import Tensor, nn

from ..core.errors import ConfigError


@dataclass(frozen=True)
class PreparedBatch:
    """A data batch, ready to be measured.

    Attributes:
        inputs (Tensor): What the data preprocessor hands to the network,
            (N, C, H, W).
        metas (list[dict]): Meta information, one per image.
        names (list[str]): What to call each image: its path where known.
        forward (callable): ``forward(inputs, metas)`` runs the network as
            validation does.
    """

    inputs: Tensor
    metas: list[dict]
    names: list[str]
    forward: Callable[[Tensor, Sequence[Mapping]], Any]


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside DDP and other wrappers."""
    while is_model_wrapper(model):
        model = model.module
    return getattr(model, '_orig_mod', model)


def prepare(
    model: nn.Module, data_batch: Any, only: Sequence[int] | None = None
) -> PreparedBatch:
    """Preprocess a batch as validation does.

    Args:
        model (nn.Module): An OpenMMLab model, without wrappers.
        data_batch (dict): With ``inputs`` and ``data_samples``, collated.
        only (sequence of int, optional): Positions of the images to keep;
            None keeps all.

    Returns:
        PreparedBatch: On the model's device; ``data_batch`` is unchanged.

    Raises:
        ConfigError: If the model or the batch is not of that form.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
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
    batch = dict(data_batch)
    if only is not None:
        for name in ('inputs', 'data_samples'):
            if batch.get(name) is not None:
                batch[name] = [batch[name][i] for i in only]
    data = preprocessor(batch, False)
    inputs, samples = data['inputs'], data.get('data_samples')
    size = tuple(inputs.shape[2:])
    metas = [
        {**_no_sample(size), **(sample.metainfo if sample else {})}
        for sample in (samples or [None] * len(inputs))
    ]
    names = [
        str(meta.get('img_path') or f'image {i}')
        for i, meta in enumerate(metas)
    ]
    forward = _forward_of(model, metas, samples)
    return PreparedBatch(inputs, metas, names, forward)


def prepare_tensor(model: nn.Module, inputs: Tensor) -> PreparedBatch:
    """A batch from tensors that need no preprocessing, (N, C, H, W)."""
    device = next(model.parameters()).device
    metas = [_no_sample(tuple(inputs.shape[2:])) for _ in inputs]
    names = [f'image {i}' for i in range(len(inputs))]
    forward = _forward_of(model, metas, None)
    return PreparedBatch(inputs.to(device), metas, names, forward)


def _no_sample(size: tuple[int, ...]) -> dict:
    return {
        'ori_shape': size,
        'img_shape': size,
        'pad_shape': size,
        'padding_size': [0, 0, 0, 0],
    }


def _forward_of(model: nn.Module, metas: list[dict], samples: Any) -> Callable:
    """The way that validation runs a model, up to its logits."""

    def encode_decode(inputs: Tensor, part: Sequence[Mapping]) -> Any:
        return model.encode_decode(inputs, [_fitted(m, inputs) for m in part])

    def tensor(inputs: Tensor, part: Sequence[Mapping]) -> Any:
        if samples is None:
            return model(inputs, mode='tensor')
        place = {id(meta): i for i, meta in enumerate(metas)}
        chosen = [samples[place[id(meta)]] for meta in part]
        return model(inputs, chosen, mode='tensor')

    return encode_decode if hasattr(model, 'encode_decode') else tensor


def _fitted(meta: Mapping, inputs: Tensor) -> dict:
    """Meta information whose sizes are those of the tensor that is run."""
    size = tuple(inputs.shape[2:])
    if tuple(meta['img_shape'][:2]) == size:
        return dict(meta)
    return {**meta, 'img_shape': size, 'pad_shape': size}
