"""Which layers are measured when none is named."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ..errors import LayerError


def default_layers(model: nn.Module) -> list[str]:
    """The layers measured when none is named: backbone and decode head.

    A model may name other ones in ``model.erf_layers``. Multimodal
    segmentors call their backbone ``image_encoder``, torchvision its head
    ``classifier``, segmentation_models_pytorch its parts ``encoder``,
    ``decoder`` and ``segmentation_head``.

    Raises:
        LayerError: If the model has none of these.
    """
    own = getattr(model, 'erf_layers', None)
    if own:
        return list(own)
    names = [name for name, _ in model.named_modules() if name]
    backbone = [n for n in ('backbone', 'image_encoder') if n in names][:1]
    found = backbone + [n for n in names if n == 'decode_head']
    if found == ['backbone'] and 'classifier' in names:
        found.append('classifier')
    if not found and 'encoder' in names and 'decoder' in names:
        parts = ('encoder', 'decoder', 'segmentation_head')
        found = [n for n in parts if n in names]
    if not found:
        raise LayerError(
            'this model has neither a backbone nor a decode_head to measure '
            f'by default; name the layers, for example {_examples(names)}'
        )
    return found


def _examples(names: Sequence[str]) -> str:
    """The outermost level of module names that has more than one."""
    top = [n for n in names if n.split('.')[0] != 'data_preprocessor']
    for depth in range(4):
        level = [n for n in top if n.count('.') == depth]
        if len(level) != 1:
            break
    return ', '.join((level or top)[:8])
