"""A network that can be measured, from a config with or without a model."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmseg.models.data_preprocessor import SegDataPreProcessor
from torch import nn

from ...core.errors import BatchError, ConfigError, one_line
from ..config.build_model import build_model, move, seed_everything
from ..config.checkpoint import load_checkpoint
from ..run_notes import checkpoint_notes
from .load_module import (
    describe_module,
    is_file,
    load_module,
    without_downloads,
)
from .module_config import is_given
from .stated import Normalization, fixed_size_of, normalization_of


@dataclass
class Network:
    """A model, and how images become its inputs.

    Attributes:
        model (nn.Module): In eval mode; the caller's own stays as it is.
        loaded (dict): What ``load_checkpoint`` returned; empty without.
        preprocessor (callable, optional): Makes inputs of a batch; None for
            the model's own ``data_preprocessor``.
        fixed_size (tuple[int, int], optional): The (H, W) that the model
            states for its inputs.
        channels (int, optional): Of the inputs; None if a config states it.
        notes (list[str]): What the user should know.
        warned (list[str]): Those of the notes that say what was chosen, or
            not loaded: a Python call warns of them.
        provenance (dict): How images become inputs, without a config.
    """

    model: nn.Module
    loaded: dict
    preprocessor: Any = None
    fixed_size: tuple[int, int] | None = None
    channels: int | None = None
    notes: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)

    def size(self, given: Sequence[int] | None) -> Sequence[int] | None:
        """The given size of inputs, else the model's one; adds a note."""
        if given is None and self.fixed_size is not None:
            height, width = self.fixed_size
            note = (
                f'images are resized to {height} x {width}, the size that the '
                'model states; --input-size chooses another'
            )
            self.notes.append(note)
            self.warned.append(note)
        return given or self.fixed_size


def build_network(
    cfg: Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    device: str | None = None,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial: bool = False,
    pretrained: bool = True,
) -> Network:
    """The model of a config, or the network of its ``module``.

    Args:
        cfg (Config): Has a ``model``, or is one of ``module_config``.
        checkpoint, device, seed, trust_checkpoint, partial, pretrained: See
            ``build_model``.

    Raises:
        ConfigError: If it cannot be built or moved.
        CheckpointError: If the checkpoint cannot be used.
    """
    if not cfg.get('module'):
        model, loaded = build_model(
            cfg,
            checkpoint,
            device=device,
            seed=seed,
            trust_checkpoint=trust_checkpoint,
            partial=partial,
            pretrained=pretrained,
        )
        notes = checkpoint_notes(checkpoint, loaded)
        said = checkpoint is not None or loaded.get('not_fetched')
        return Network(
            model, loaded, notes=notes, warned=list(notes) if said else []
        )
    given = is_given(cfg.module)
    warned: list[str] = []
    if not given:
        seed_everything(seed)
        settled, warned = without_downloads(cfg.module)
        cfg.module = settled
    model, about = load_module(cfg.module, trust_checkpoint)
    warned += about
    notes = []
    if given and (checkpoint is not None or device is not None):
        model = private(model)
    loaded = {}
    if checkpoint is not None:
        loaded = load_checkpoint(model, checkpoint, trust_checkpoint, partial)
        warned += checkpoint_notes(checkpoint, loaded)
    elif not given and not is_file(cfg.module.type):
        notes.append(
            'no checkpoint: measured at the weights that '
            f'{describe_module(cfg.module)} starts with'
        )
    if not given:
        model.eval()
    if not given or device is not None:
        model = move(model, device)
    normalization = normalization_of(model, **cfg.normalization)
    images = (
        f'images {normalization.scale}, mean {_spaced(normalization.mean)}, '
        f'std {_spaced(normalization.std)}'
    )
    (notes if cfg.normalization.mean is not None else warned).append(
        f'{images} ({normalization.source})'
    )
    return Network(
        model,
        loaded,
        _preprocessor(normalization, model),
        fixed_size_of(model),
        len(normalization.mean),
        warned + notes,
        warned,
        {'images': images, 'pipeline': str(cfg.test_pipeline)},
    )


def _preprocessor(
    normalization: Normalization, model: nn.Module
) -> SegDataPreProcessor:
    """mmseg's, for images as they are read from files."""
    first = next(model.parameters(), torch.zeros(1))
    preprocessor = ImagePreprocessor(
        mean=[0], std=[1], bgr_to_rgb=normalization.is_rgb
    )
    # Its constructor takes one or three channels only.
    for name in ('mean', 'std'):
        values = torch.tensor(getattr(normalization, name))
        scaled = values.view(-1, 1, 1) * normalization.white
        setattr(preprocessor, name, scaled)
    try:
        return preprocessor.to(first.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f'{first.device} cannot be used: {one_line(error)}'
        ) from error


class ImagePreprocessor(SegDataPreProcessor):
    """mmseg's, for images with as many channels as there are means."""

    def forward(self, data: dict, training: bool = False) -> Any:
        """A batch, normalised and stacked.

        Raises:
            BatchError: If an image has other channels.
        """
        for image in data['inputs']:
            if len(image) != len(self.mean):
                raise BatchError(
                    f'an image has {len(image)} channel(s), and there are '
                    f'{len(self.mean)} means; give one mean and one std per '
                    'channel (--mean, --std)'
                )
        return super().forward(data, training)


def private(model: nn.Module) -> nn.Module:
    """A copy of the caller's module, which stays as it is.

    Raises:
        ConfigError: If it cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:  # a module's own copying code
        raise ConfigError(
            f'{type(model).__name__} cannot be copied ({one_line(error)}); '
            'load the weights, and move it, yourself'
        ) from error


def _spaced(values: tuple[float, ...]) -> str:
    return ' '.join(f'{value:g}' for value in values)
