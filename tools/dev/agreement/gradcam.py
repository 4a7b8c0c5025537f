"""Grad-CAM beside the package pytorch-grad-cam, on segmentation models.

    python tools/dev/agreement/gradcam.py

needs ``grad-cam`` and ``segmentation_models_pytorch``; beside a CPU torch, put
``tools/dev/smp/with_torchvision.py`` before it. Heat maps are from 0 to 1, of
one batched call of each package. One line per model and layer: the largest
difference in float64; the same in float32; and how far the other package's own
float32 is from its float64, since where activations cancel, rounding decides.
Exit status 1 if the difference in float64 is above 1e-5.
"""

import sys
import warnings

import numpy as np
import segmentation_models_pytorch as smp
import torch
from plain import shake
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget

from mmerf import measure_each

CLASSES = ['sky', 'road', 'tree', 'boat']
MODELS = {
    'Unet': ['encoder.layer2', 'encoder.layer4', 'decoder.blocks.3'],
    'DeepLabV3Plus': ['encoder.layer3', 'decoder.aspp'],
    'FPN': ['encoder.layer4'],
}
LIMIT = 1e-5


def network(name):
    """A model with random weights that give every class somewhere."""
    torch.manual_seed(0)
    kind = getattr(smp, name)
    model = kind('resnet18', encoder_weights=None, classes=len(CLASSES))
    shake(model)
    return model.eval()


def theirs(model, layer, images, index, masks):
    """Heat maps (N, H, W) of one class."""
    targets = [SemanticSegmentationTarget(index, mask) for mask in masks]
    with GradCAM(model, [model.get_submodule(layer)]) as cam:
        return cam(images, targets)


def heat_maps(name, layer, images):
    """Ours and theirs, (maps, H, W), of every class that an image has."""
    model = network(name).to(images.dtype)
    with torch.no_grad():
        predicted = model(images).argmax(1).numpy()
    with warnings.catch_warnings():  # a class that no image has
        warnings.simplefilter('ignore')
        found = measure_each(
            model,
            images,
            layer,
            attribution={'type': 'GradCAM', 'scaled': True},
            target={'type': 'ClassRegion', 'classes': CLASSES},
            classes=CLASSES,
        )
    ours, expected = [], []
    for index, label in enumerate(CLASSES):
        masks = np.float32(predicted == index)
        cams = theirs(model, layer, images, index, masks)
        for position, results in enumerate(found):
            there = f'{layer}:{label}' in results
            if there != masks[position].any():
                raise SystemExit(f'{name}: {label} of image {position}')
            if there:
                ours.append(results[f'{layer}:{label}'].map)
                expected.append(cams[position])
    return np.array(ours), np.array(expected)


def main():
    """Compare every layer; return the exit status."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(4, 3, 8, 10, generator=generator)
    images = torch.nn.functional.interpolate(
        coarse, (128, 160), mode='bicubic'
    )
    worst = 0.0
    for name, layers in MODELS.items():
        for layer in layers:
            ours, exact = heat_maps(name, layer, images.double())
            single, rounded = heat_maps(name, layer, images)
            worst = max(worst, np.abs(ours - exact).max())
            gaps = [ours - exact, single - rounded, rounded - exact]
            figures = '  '.join(f'{np.abs(gap).max():.1e}' for gap in gaps)
            print(f'{name:14} {layer:22} {len(ours):3} maps  {figures}')
    print(f'largest difference {worst:.1e}, limit {LIMIT:g}')
    return int(worst > LIMIT)


if __name__ == '__main__':
    sys.exit(main())
