"""Which layers are measured when none is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx, jit, nn

from ..errors import LayerError

_DETECTION = frozenset(('bbox_head', 'rpn_head', 'roi_head'))  # mmdet's
OUTPUT = '.'  # names the model's own output
_LISTS = ('stages', 'stage', 'layers', 'layer', 'blocks', 'block', 'features')


@dataclass(frozen=True)
class DefaultLayers:
    """Layers that are measured when none is named.

    Attributes:
        names (list[str]): Of modules, or ``'.'``.
        reason (str): Where the names come from.
        sure (bool): Whether each of them has to give a feature map; if not,
            one that gives none is passed over.
    """

    names: list[str]
    reason: str
    sure: bool = False


def default_layers(model: nn.Module) -> DefaultLayers:
    """The layers measured when none is named.

    A model may name its own in ``model.erf_layers``. Otherwise, in this
    order: the blocks or stages of mmpretrain's backbones that end in pooling;
    backbone and decode head, or a detector's neck; the layers that feed the
    head of ultralytics' models; the stages or blocks of transformers'
    encoders; the outputs of timm's feature extractors and the layers in
    timm's ``feature_info``; ``encoder``, ``decoder`` and
    ``segmentation_head`` (segmentation_models_pytorch); numbered stages; the
    own output of a traced graph, such as an ONNX file gives.

    Raises:
        LayerError: If the model has none of these.

    Example:
        >>> net = nn.ModuleDict({'layer1': nn.Identity(),
        ...                      'layer2': nn.Identity()})
        >>> default_layers(net).names
        ['layer1', 'layer2']
    """
    own = getattr(model, 'erf_layers', None)
    if own:
        return DefaultLayers(list(own), "the model's erf_layers", True)
    names = [name for name, _ in model.named_modules() if name]
    for rule in _RULES:
        found = rule(model, names)
        if found is not None and found.names:
            return found
    raise LayerError(
        'this model has neither a backbone nor a decode_head to measure by '
        "default; name the layers ('.' is the model's own output), for "
        f'example {_examples(names)}'
    )


def _backbone_and_head(
    model: nn.Module, names: list[str]
) -> DefaultLayers | None:
    """Multimodal segmentors call their backbone ``image_encoder``."""
    found = [n for n in names if n in ('backbone', 'image_encoder')][:1]
    if not found and _is_of(model, 'transformers'):
        return None
    found += [n for n in names if n == 'decode_head']
    if found == ['backbone'] and 'classifier' in names:
        found.append('classifier')
    if 'neck' in names and not _DETECTION.isdisjoint(names):
        found.append('neck')
    return DefaultLayers(found, 'backbone and head, by their names', True)


def _ultralytics(model: nn.Module, names: list[str]) -> DefaultLayers | None:
    """Modules stand in a list; each has in ``f`` the places it reads."""
    listed = getattr(model, 'model', None)
    if not isinstance(listed, nn.Sequential) or not len(listed):
        return None
    sources: Any = getattr(listed[-1], 'f', None)
    if not isinstance(sources, list):
        return None
    places = [s if s >= 0 else len(listed) - 1 + s for s in sources]
    head = type(listed[-1]).__name__
    return DefaultLayers(
        [f'model.{place}' for place in places], f'what feeds {head}'
    )


def _transformers(model: nn.Module, names: list[str]) -> DefaultLayers | None:
    if not _is_of(model, 'transformers'):
        return None
    modules = dict(model.named_modules())
    for name in names:
        *owners, last = name.split('.')
        members = list(modules[name].named_children())
        if (
            last not in _LISTS
            or len(members) < 2
            or any(re.search('decoder|neck|head', word) for word in owners)
        ):
            continue
        stages = [
            _last_of_lists(f'{name}.{child}', module)
            for child, module in members
        ]
        heads = [n for n in ('decode_head',) if n in names]
        return DefaultLayers(stages + heads, f'the members of {name}')
    return None


def _timm(model: nn.Module, names: list[str]) -> DefaultLayers | None:
    info = getattr(model, 'feature_info', None)
    if info is None:
        return None
    if callable(getattr(info, 'module_name', None)):
        return DefaultLayers([OUTPUT], 'a feature extractor gives its layers')
    if not isinstance(info, Iterable):
        return None
    found = [one.get('module') for one in info if isinstance(one, dict)]
    inside = [name for name in dict.fromkeys(found) if name in names]
    return DefaultLayers(inside, 'feature_info')


def _encoder_and_decoder(
    model: nn.Module, names: list[str]
) -> DefaultLayers | None:
    if not {'encoder', 'decoder'} <= set(names):
        return None
    parts = ('encoder', 'decoder', 'segmentation_head')
    found = [n for n in parts if n in names]
    return DefaultLayers(found, 'encoder and decoder, by their names', True)


def _numbered_stages(
    model: nn.Module, names: list[str]
) -> DefaultLayers | None:
    """``layer1`` to ``layer4``, or the members of ``stages``."""
    for word in _LISTS:
        numbered = [n for n in names if re.fullmatch(rf'{word}_?\d+', n)]
        if len(numbered) > 1:
            return DefaultLayers(numbered, f'modules named {word} and number')
        inside = [n for n in names if re.fullmatch(rf'{word}\.\d+', n)]
        if len(inside) > 1:
            return DefaultLayers(inside, f'the modules in {word}')
    return None


def _traced_graph(model: nn.Module, names: list[str]) -> DefaultLayers | None:
    if not isinstance(model, fx.GraphModule):
        return None
    return DefaultLayers([OUTPUT], 'of a traced graph, its own output')


def _torchscript(model: nn.Module, names: list[str]) -> DefaultLayers | None:
    if not isinstance(model, jit.ScriptModule):
        return None
    return DefaultLayers([OUTPUT], 'of TorchScript, its own output')


def _pooled_backbone(
    model: nn.Module, names: list[str]
) -> DefaultLayers | None:
    """ViT and ConvNeXt of mmpretrain pool their output to a vector."""
    backbone = getattr(model, 'backbone', None)
    inside = None
    if getattr(backbone, 'out_type', None) in ('cls_token', 'avg_featmap'):
        inside = 'backbone.layers'
    elif getattr(backbone, 'gap_before_final_norm', False):
        inside = 'backbone.stages'
    members = [n for n in names if re.fullmatch(rf'{inside}\.\d+', n)]
    return DefaultLayers(
        members, f'the members of {inside}, as the backbone gives no map'
    )


_RULES: tuple[Callable[[nn.Module, list[str]], DefaultLayers | None], ...] = (
    _torchscript,
    _pooled_backbone,
    _backbone_and_head,
    _ultralytics,
    _transformers,
    _timm,
    _encoder_and_decoder,
    _numbered_stages,
    _traced_graph,
)


def _is_of(model: nn.Module, package: str) -> bool:
    """Whether a class of the model, or one it derives from, is a package's."""
    return any(
        kind.__module__.split('.')[0] == package
        for kind in type(model).__mro__
    )


def _last_of_lists(name: str, module: nn.Module) -> str:
    """The module, or the last one of the lists that it is made of."""
    while isinstance(module, nn.ModuleList) and len(module):
        last, module = list(module.named_children())[-1]
        name = f'{name}.{last}'
    return name


def _examples(names: Sequence[str]) -> str:
    """The outermost level of module names that has more than one."""
    top = [n for n in names if n.split('.')[0] != 'data_preprocessor']
    for depth in range(4):
        level = [n for n in top if n.count('.') == depth]
        if len(level) != 1:
            break
    return ', '.join((level or top)[:8])
