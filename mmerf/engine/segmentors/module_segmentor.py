"""ModuleSegmentor: any torch module as one of mmseg's segmentors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...core.errors import ConfigError, LayerError
from ...core.layers.defaults import default_layers
from .build_module import build_module
from .logits_head import LogitsHead


@MODELS.register_module()
class ModuleSegmentor(EncoderDecoder):
    """Wraps a network of any package, by import path and arguments.

    An ``EncoderDecoder``: trains, validates and tests with mmseg's pipelines,
    losses, ``test_cfg`` (whole and slide) and hooks. The network's modules
    are named ``net.<name>``; the logits are ``decode_head``.

    Args:
        module (dict or nn.Module): ``dict(type='package.Name', ...)``, with
            the import path of a class or function, and its arguments; or a
            module.
        decode_head (dict, optional): ``dict(num_classes=4)``, with whatever
            :class:`LogitsHead` takes, for a network that gives logits; one of
            mmseg's heads for a network that gives features. None: nothing is
            trained or predicted; the network's layers can be measured.
        auxiliary_head (dict or list[dict], optional): More heads that train,
            such as ``dict(type='LogitsHead', output='aux', ...)``.
        train_cfg, test_cfg, data_preprocessor, init_cfg: As mmseg's. Without
            ``init_cfg`` the weights stay as the constructor made them.

    Raises:
        ConfigError: If the path names nothing or the arguments do not fit;
            if logits are needed and the network gives none.

    Examples:
        >>> model = ModuleSegmentor(
        ...     dict(type='torch.nn.Conv2d', in_channels=3, out_channels=4,
        ...          kernel_size=3, padding=1),
        ...     decode_head=dict(num_classes=4))
        >>> [name for name, _ in model.named_children()][-2:]
        ['net', 'decode_head']
    """

    def __init__(
        self,
        module: Mapping | nn.Module,
        decode_head: Mapping | None = None,
        auxiliary_head: Mapping | Sequence[Mapping] | None = None,
        train_cfg: Mapping | None = None,
        test_cfg: Mapping | None = None,
        data_preprocessor: Any = None,
        init_cfg: Any = None,
    ) -> None:
        # EncoderDecoder's own constructor builds a backbone of the registry.
        super(EncoderDecoder, self).__init__(data_preprocessor, init_cfg)
        # Not 'module': mmengine strips that prefix when it loads weights.
        net: Any = build_module(module)
        # Else mmengine calls a network's init_weights, which would overwrite
        # the weights that its constructor loaded.
        net.is_init = True
        self.net = net
        if decode_head is not None:
            self._init_decode_head(_with_type(decode_head))
        if isinstance(auxiliary_head, Mapping):
            auxiliary_head = _with_type(auxiliary_head)
        elif auxiliary_head is not None:
            auxiliary_head = [_with_type(head) for head in auxiliary_head]
        self._init_auxiliary_head(auxiliary_head)
        self.train_cfg = train_cfg
        self.test_cfg = ConfigDict(test_cfg or {'mode': 'whole'})

    @property
    def erf_layers(self) -> list[str] | None:
        """Layers to measure by default; None for core's own choice."""
        try:
            names = default_layers(self.net).names
            inner = [f'net.{name}'.rstrip('.') for name in names]
        except LayerError:
            inner = []
        if not self.with_decode_head:
            return inner or None
        if isinstance(self.decode_head, LogitsHead):
            # The same logits as decode_head's.
            heads = ('net.segmentation_head', 'net.classifier')
            inner = [name for name in inner if name not in heads]
        else:
            inner = ['net']
        return [*inner, 'decode_head']

    def extract_feat(self, inputs: Tensor) -> Any:
        """The network's output, in its own form."""
        return self.net(inputs)

    def encode_decode(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Any:
        """Logits at the image's size; without a head, the network's output.

        Args:
            inputs (Tensor): Shape (N, C, H, W).
            batch_img_metas (list[dict]): Meta information, one per image.
        """
        if not self.with_decode_head:
            return self.extract_feat(inputs)
        return super().encode_decode(inputs, batch_img_metas)

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Any:
        if not self.with_decode_head:
            return self.extract_feat(inputs)
        return super()._forward(inputs, data_samples)

    def loss(self, inputs: Tensor, data_samples: Any) -> dict:
        """Losses of the heads, as ``EncoderDecoder`` gives them."""
        self._check_has_head('trained')
        return super().loss(inputs, data_samples)

    def predict(self, inputs: Tensor, data_samples: Any = None) -> list:
        """Predictions, as ``EncoderDecoder`` gives them."""
        self._check_has_head('validated')
        return super().predict(inputs, data_samples)

    def _check_has_head(self, what: str) -> None:
        if not self.with_decode_head:
            raise ConfigError(
                'this ModuleSegmentor has no decode_head and cannot be '
                f'{what}; give decode_head=dict(num_classes=...)'
            )


def _with_type(cfg: Mapping) -> Mapping:
    """A head's config; ``LogitsHead`` where it names no type."""
    return {'type': 'LogitsHead', **cfg}
