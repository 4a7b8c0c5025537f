"""Models of the families runner: one per family of mmseg, and timm's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .plain_way import Read

DEV = Path(__file__).parents[1]


@dataclass
class Subject:
    """A model, and how both ways run and read it.

    Attributes:
        model (nn.Module): In eval mode.
        modules (list[str]): The modules that the plain way watches.
        read (callable): As ``plain_maps`` takes it.
        layers (list[str], optional): As ``measure_erf`` takes them.
        forward (callable, optional): The same; None calls the model.
        kept (object): Lives as long as the model.
    """

    model: nn.Module
    modules: list[str]
    read: Read
    layers: list[str] | None
    forward: Callable[[Tensor], Any] | None = None
    kept: Any = field(default=None, repr=False)

    def run(self, images: Tensor) -> Any:
        """Run the model on images."""
        return (self.forward or self.model)(images)


def names_of(kind: str) -> list[str]:
    """All models of a kind, ``'mmseg'`` or ``'timm'``."""
    if kind == 'timm':
        return list(_agreement('timm_stages').MODELS)
    return list(_agreement('mmseg_families').FAMILIES)


def subject_of(
    kind: str, name: str, layers: str, size: tuple[int, int]
) -> Subject:
    """Build a model with random weights, the same every time.

    Args:
        kind (str): ``'mmseg'`` or ``'timm'``.
        name (str): One of ``names_of(kind)``.
        layers (str): ``'backbone'`` or ``'default'``; of timm's models the
            stages that tools/dev/agreement/timm_stages.py reads by hand.
        size (tuple[int, int]): (H, W) of the images.
    """
    torch.manual_seed(0)
    found = _timm(name, size) if kind == 'timm' else _mmseg(name, layers)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    found.model.to(device).eval()
    return found


def _mmseg(name: str, layers: str) -> Subject:
    known = _agreement('mmseg_families')
    model = known.build(name)
    read = known.MMSegReader(model)
    modules, chosen = read.modules, None
    if layers == 'backbone':
        modules = chosen = ['backbone']
    forward = None
    if isinstance(model.decode_head, nn.ModuleList):  # cannot run as tensors

        def forward(images: Tensor) -> Any:
            return known.call(model, images)

    return Subject(model, modules, read, chosen, forward)


def _timm(name: str, size: tuple[int, int]) -> Subject:
    sys.path.insert(0, str(DEV / 'smp'))
    import with_torchvision

    kept = with_torchvision.declare()
    import timm

    known = _agreement('timm_stages')
    model = timm.create_model(name, pretrained=False)
    known.shake(model)
    readers, _ = known.read_by_hand(name, size)

    def read(module: str, output: Any) -> dict[str, Tensor]:
        return known_plain.found_in(readers, module, output)

    known_plain = _agreement('plain')
    modules = known_plain.module_names(readers)
    return Subject(model, modules, read, list(readers), kept=kept)


def _agreement(name: str) -> ModuleType:
    """A module of tools/dev/agreement, which import each other by name."""
    path = str(DEV / 'agreement')
    if path not in sys.path:
        sys.path.append(path)
    return __import__(name)
