"""How validation runs a model, up to its logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .inputs import Rebuild

_AUXILIARY = 'auxiliary_head'


def forward_of(
    model: nn.Module,
    metas: list[dict],
    samples: Any,
    rebuild: Rebuild,
    layers: Iterable[str] = (),
) -> Callable[[Tensor, Sequence[Mapping]], Any]:
    """``forward(inputs, metas)`` for some images of a prepared batch.

    Segmentors run ``encode_decode``, which is what validation calls;
    whatever else there is runs ``mode='tensor'``.

    Args:
        model (nn.Module): Without wrappers.
        metas (list[dict]): Of the whole batch; a part is told by identity.
        samples (list, optional): The batch's data samples.
        rebuild (callable): Makes the network's input of the images.
        layers (iterable of str): Names of the asked modules.
    """
    place = {id(meta): i for i, meta in enumerate(metas)}
    heads = _auxiliary_heads(model, layers)

    def encode_decode(inputs: Tensor, part: Sequence[Mapping]) -> Any:
        whole = rebuild(inputs, [place[id(meta)] for meta in part])
        fitted = [_fitted(meta, inputs) for meta in part]
        if not heads:
            return model.encode_decode(whole, fitted)
        with _features(model) as features:
            logits = model.encode_decode(whole, fitted)
        # They only run in training; here because one was asked for.
        for head in heads:
            head.forward(features[-1])
        return logits

    def tensor(inputs: Tensor, part: Sequence[Mapping]) -> Any:
        positions = [place[id(meta)] for meta in part]
        whole = rebuild(inputs, positions)
        if samples is None:
            return model(whole, mode='tensor')
        return model(whole, [samples[i] for i in positions], mode='tensor')

    return encode_decode if hasattr(model, 'encode_decode') else tensor


def _auxiliary_heads(model: nn.Module, layers: Iterable[str]) -> list[Any]:
    asked = any(name.split('.')[0] == _AUXILIARY for name in layers)
    head = getattr(model, _AUXILIARY, None)
    if not asked or head is None:
        return []
    return list(head) if isinstance(head, nn.ModuleList) else [head]


@contextmanager
def _features(model: Any) -> Iterator[list]:
    """Collects what ``extract_feat`` returns while the model runs."""
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


def _fitted(meta: Mapping, inputs: Tensor) -> dict:
    """Meta information whose sizes are those of the tensor that is run."""
    size = tuple(inputs.shape[-2:])
    if tuple(meta['img_shape'][:2]) == size:
        return dict(meta)
    return {**meta, 'img_shape': size, 'pad_shape': size}
