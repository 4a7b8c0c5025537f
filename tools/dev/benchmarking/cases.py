"""The models, layers and images that the benchmark measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerf.core.batch import Forward

from .selective_scan import scanning_network

_PSPNET = 'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'
_MIT = 'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'
PHOTOS = ('astronaut', 'coffee', 'chelsea', 'rocket', 'retina')


@dataclass(frozen=True)
class Case:
    """One model at one size.

    Attributes:
        build (callable): Makes the model.
        size (tuple[int, int]): (H, W) of the images.
        layers (list[str]): Layers to measure.
        flat (bool): Whether the images have flat parts.
    """

    build: Callable[[], nn.Module]
    size: tuple[int, int]
    layers: list[str]
    flat: bool = False

    def model(self) -> nn.Module:
        """The model, on a GPU where there is one, the same every time."""
        torch.manual_seed(0)
        model = self.build()
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        return without_zero_weights(model).to(device).eval()

    def images(self, count: int) -> Tensor:
        """Photographs, normalised, (count, 3, H, W)."""
        return photographs(count, self.size, self.flat)

    def forward(self, model: nn.Module) -> Forward:
        """How the model is run: segmentors up to their logits."""
        if not hasattr(model, 'encode_decode'):
            return lambda images, positions: model(images)
        from mmerf.engine.batches.prepare_batch import prepare_tensor

        def run(images: Tensor, positions: Sequence[int]) -> Any:
            batch = prepare_tensor(model, images)
            return batch.forward(batch.inputs, range(len(images)))

        return run

    def taps(self, model: nn.Module) -> Mapping[str, Any]:
        """Modules and output indices behind the layers' names."""
        modules = dict(model.named_modules())
        taps = {}
        for layer in self.layers:
            name, _, index = layer.partition('[')
            taps[layer] = (modules[name], int(index[:-1]) if index else None)
        return taps


def photographs(
    count: int, size: tuple[int, int], flat: bool = False
) -> Tensor:
    """Photographs of a size (H, W), normalised, (count, 3, H, W).

    Resized bilinearly, as test pipelines do. Enlarged, they have flat parts
    that a camera's picture of this size has not; noise of half a grey level
    at most, which is less than a camera's, undoes that.

    Args:
        count (int): How many.
        size (tuple[int, int]): (H, W).
        flat (bool): Without that noise: most have flat parts.
    """
    from skimage import data  # of the tests' requirements

    generator = torch.Generator().manual_seed(0)
    images = []
    for i in range(count):
        photo = getattr(data, PHOTOS[i % len(PHOTOS)])()[..., :3]
        image = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None]
        image = image.float().roll(37 * i, 3)
        image = functional.interpolate(image, size, mode='bilinear')
        if not flat:
            image += torch.rand(image.shape, generator=generator) - 0.5
        images.append(image)
    batch = torch.cat(images)
    mean = batch.mean((2, 3), keepdim=True)
    return (batch - mean) / batch.std((2, 3), keepdim=True)


def without_zero_weights(model: nn.Module) -> nn.Module:
    """Give parameters that start at zero a value, as training does.

    A ResNet's residual branches start at zero; its layers would have no
    larger field than its strided convolutions.
    """
    for module in model.modules():
        weight = getattr(module, 'weight', None)
        if isinstance(weight, nn.Parameter) and not weight.any():
            nn.init.constant_(weight, 0.3)
    return model


def _mmseg(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from mmerf.apis.config.build_model import build_model
        from mmerf.apis.config.config_file import load_config

        return build_model(load_config(name), device='cpu', pretrained=False)[
            0
        ]

    return build


class _LargeKernel(nn.Module):
    """A block of a depthwise 31 x 31 convolution, as in RepLKNet."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.far = nn.Conv2d(width, width, 31, padding=15, groups=width)
        self.norm = nn.BatchNorm2d(width)
        self.mix = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, C, h, w) to the same."""
        return x + self.mix(self.norm(self.far(x)))


def _large_kernel() -> nn.Module:
    stages: list[nn.Module] = [nn.Conv2d(3, 48, 4, stride=4)]
    stages += [_LargeKernel(48), _LargeKernel(48)]
    stages += [nn.Conv2d(48, 96, 2, stride=2)]
    stages += [_LargeKernel(96), _LargeKernel(96)]
    return nn.Sequential(*stages)


_STAGES = [f'backbone[{i}]' for i in range(4)]
CASES = {
    'pspnet-512': Case(_mmseg(_PSPNET), (512, 512), [*_STAGES, 'decode_head']),
    'pspnet-cityscapes': Case(_mmseg(_PSPNET), (1024, 2048), _STAGES),
    'flat-cityscapes': Case(_mmseg(_PSPNET), (1024, 2048), _STAGES, flat=True),
    'segformer-512': Case(_mmseg(_MIT), (512, 512), [*_STAGES, 'decode_head']),
    'large-kernel': Case(_large_kernel, (512, 512), ['2', '5']),
    'mamba-cpu': Case(scanning_network, (160, 160), ['1', '3']),
    'local-512': Case(_mmseg(_PSPNET), (512, 512), ['backbone.layer3']),
    'local-cityscapes': Case(
        _mmseg(_PSPNET), (1024, 2048), ['backbone.layer3']
    ),
}
