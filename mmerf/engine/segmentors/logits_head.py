"""LogitsHead: mmseg's losses and predictions on a network's own logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor

from ...core.errors import ConfigError
from ...core.layers.single_outputs import describe


@MODELS.register_module()
class LogitsHead(BaseDecodeHead):
    """A decode head without weights, for a network that gives logits.

    Losses, accuracy, resizing to the image and the threshold of one-class
    logits are mmseg's.

    Args:
        num_classes (int): Classes of the dataset.
        output (str or int, optional): Which output holds the logits, where
            the network returns several: a key of a mapping or named tuple, a
            place in a sequence. None: ``'out'`` (torchvision), else
            ``'logits'`` (transformers), else the first. A network that gives
            a sequence in training only may give one tensor afterwards.
        **kwargs: As mmseg's ``BaseDecodeHead``: ``loss_decode``,
            ``align_corners``, ``ignore_index``; for one logit of two classes
            ``out_channels=1, threshold=0.5`` and a loss with
            ``use_sigmoid=True``.

    Examples:
        >>> head = LogitsHead(num_classes=4)
        >>> import torch
        >>> head({'out': torch.zeros(1, 4, 8, 8)}).shape
        torch.Size([1, 4, 8, 8])
    """

    def __init__(
        self,
        num_classes: int,
        output: str | int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels=1,
            channels=1,
            num_classes=num_classes,
            dropout_ratio=0,
            init_cfg=None,
            **kwargs,
        )
        del self.conv_seg
        self.output = output

    def forward(self, outputs: Any) -> Tensor:
        """The logits among a network's outputs.

        Returns:
            Tensor: Shape (N, out_channels, h, w).

        Raises:
            ConfigError: If there is no such output, or it is no such map.
        """
        logits = self._pick_logits(outputs)
        fits = isinstance(logits, Tensor) and logits.dim() == 4
        if not fits or logits.shape[1] != self.out_channels:
            raise ConfigError(
                f'the network gives {describe(logits)}, no logits '
                f'(N, {self.out_channels}, h, w); set num_classes (or '
                'out_channels) to its channels, output to the right output, '
                'or leave out decode_head to measure inner layers only'
            )
        return logits

    def _pick_logits(self, outputs: Any) -> Any:
        key = self.output
        placed = isinstance(key, int) and not self.training
        if isinstance(outputs, Tensor) and (key is None or placed):
            return outputs
        if isinstance(key, str) and hasattr(outputs, '_asdict'):
            outputs = outputs._asdict()
        if isinstance(outputs, Mapping):
            if key is None:
                names = ('out', 'logits', *outputs)
                key = next((k for k in names if k in outputs), None)
            if key in outputs:
                return outputs[key]
        elif isinstance(outputs, (list, tuple)):
            place = 0 if key is None else key
            count = len(outputs)
            if isinstance(place, int) and -count <= place < count:
                return outputs[place]
        known = list(outputs) if isinstance(outputs, Mapping) else ''
        raise ConfigError(
            f'the network has no output {key!r}, it gives '
            f'{describe(outputs)}{f" named {known}" if known else ""}'
        )
