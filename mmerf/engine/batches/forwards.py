"""Runs a model as validation does, up to its logits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ...core.batch import Forward
from .inputs import Rebuild

_AUXILIARY_HEAD = 'auxiliary_head'


def forward_of(
    model: nn.Module,
    metas: Sequence[dict],
    samples: Any,
    rebuild: Rebuild,
    layers: Iterable[str] = (),
) -> Forward:
    """The function that runs a model on images of a batch, as validation does.

    A segmentor runs ``encode_decode``, which validation calls; any other
    model of OpenMMLab runs with ``mode='tensor'``; a plain torch module, which
    has no ``data_preprocessor``, is called with its input.

    Args:
        model (nn.Module): Without wrappers.
        metas (sequence of dict): Of the whole batch.
        samples (list, optional): The batch's data samples.
        rebuild (callable): Makes the network's input of the images.
        layers (iterable of str): Names of the measured modules; auxiliary
            heads run only where one of theirs is among them.

    Returns:
        callable: ``forward(images, positions)``.
    """
    heads = _auxiliary_heads(model, layers)
    segmentor: Any = model

    def encode_decode(images: Tensor, positions: Sequence[int]) -> Any:
        whole = rebuild(images, positions)
        fitting = [_meta_for(metas[place], images) for place in positions]
        if not heads:
            return segmentor.encode_decode(whole, fitting)
        with _kept_features(model) as features:
            logits = segmentor.encode_decode(whole, fitting)
        # Validation leaves them out; here one of them is measured.
        for head in heads:
            head.forward(features[-1])
        return logits

    def tensor(images: Tensor, positions: Sequence[int]) -> Any:
        whole = rebuild(images, positions)
        if not hasattr(model, 'data_preprocessor'):
            return model(whole)
        if samples is None:
            return model(whole, mode='tensor')
        chosen = [_sample_for(samples[place], images) for place in positions]
        return model(whole, chosen, mode='tensor')

    return encode_decode if hasattr(model, 'encode_decode') else tensor


def _auxiliary_heads(model: nn.Module, layers: Iterable[str]) -> list[Any]:
    measured = any(name.split('.')[0] == _AUXILIARY_HEAD for name in layers)
    head = getattr(model, _AUXILIARY_HEAD, None)
    if not measured or head is None:
        return []
    return list(head) if isinstance(head, nn.ModuleList) else [head]


@contextmanager
def _kept_features(model: Any) -> Iterator[list]:
    """Keeps what ``extract_feat`` returns, in a list, while the model runs."""
    kept: list = []
    extract = model.extract_feat

    def keeping(*args: Any, **kwargs: Any) -> Any:
        kept.append(extract(*args, **kwargs))
        return kept[-1]

    model.__dict__['extract_feat'] = keeping
    try:
        yield kept
    finally:
        del model.__dict__['extract_feat']


def _meta_for(meta: Mapping, inputs: Tensor) -> dict:
    """Meta information with the sizes of the images that are run."""
    size = tuple(inputs.shape[-2:])
    if tuple(meta['img_shape'][:2]) == size:
        return dict(meta)
    return {**meta, 'img_shape': size, 'pad_shape': size}


def _sample_for(sample: Any, inputs: Tensor) -> Any:
    """A data sample with the sizes of the images that are run.

    Detectors that attend make masks of the padding from ``img_shape`` and
    ``batch_input_shape``, the size of their whole input.
    """
    size = tuple(inputs.shape[-2:])
    whole = getattr(sample, 'batch_input_shape', None)
    if whole is None or tuple(whole) == size:
        return sample
    sizes = dict.fromkeys(
        ('img_shape', 'pad_shape', 'batch_input_shape'), size
    )
    return sample.new(metainfo={**sample.metainfo, **sizes})
