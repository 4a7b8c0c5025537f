"""A network, and photographs as it gets them, by hand."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from mmerf import measure_erf

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def normalised(photos, mean, std):
    """The photographs as RGB in 0 to 1, minus mean, by std; (N, 3, H, W)."""
    images = [np.asarray(Image.open(p)) for p in sorted(photos.iterdir())]
    scaled = (np.stack(images) / 255 - mean) / std
    return torch.from_numpy(scaled).permute(0, 3, 1, 2).float()


def map_of(model, images):
    return next(iter(measure_erf(model, images, ['.']).values())).map
