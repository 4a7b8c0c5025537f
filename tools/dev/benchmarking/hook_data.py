"""A validation of photographs of Cityscapes' form, made for the benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

from mmerf.apis.config.config_file import load_config

from .cases import photographs

CONFIG = 'mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py'
SIZE = (512, 1024)
NOISE = 3.0  # grey values: a camera's, so that no part is quite flat


def photograph_config(folder: str | Path, count: int) -> Config:
    """PSPNet with a ResNet-18, whose validation reads these photographs.

    Args:
        folder: Gets the photographs and labels.
        count (int): How many there are.
    """
    for place in ('img_dir', 'ann_dir'):
        Path(folder, place).mkdir()
    generator = torch.Generator().manual_seed(0)
    for number, image in enumerate(photographs(count, SIZE)):
        noise = NOISE * torch.randn(image.shape, generator=generator)
        grey = (128 + 50 * image + noise).clamp(0, 255)
        save(grey.byte().permute(1, 2, 0), folder, 'img_dir', number)
        classes = (grey.mean(0) / 14).long().clamp(0, 18)
        save(classes.byte(), folder, 'ann_dir', number)
    cfg = load_config(CONFIG)
    cfg.model.pretrained = None
    cfg.val_dataloader.batch_size = 1
    cfg.val_dataloader.dataset = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        metainfo=dict(classes=[f'class {i}' for i in range(19)]),
        img_suffix='.png',
        seg_map_suffix='.png',
        data_prefix=dict(img_path='img_dir', seg_map_path='ann_dir'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
        test_mode=True,
    )
    return cfg


def save(
    picture: torch.Tensor, folder: str | Path, place: str, number: int
) -> None:
    """Write a picture, (h, w) or (h, w, 3), as PNG."""
    path = Path(folder, place, f'{number:04d}.png')
    Image.fromarray(np.ascontiguousarray(picture.numpy())).save(path)
