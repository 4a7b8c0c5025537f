"""Config or module, and a photograph, to an explorer."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config
from torch import nn

from ...core.batch import Batch
from ...core.errors import ConfigError, ERFError, ImageError, one_line
from ...core.exploring.explorer import Explorer
from ...core.exploring.kept_graph import megabytes
from ...core.exploring.question import build_question
from ...core.options import MeasurementOptions
from ...core.running.memory import is_out_of_memory
from ...core.statistics import SHARES
from ...engine.batches.prepare_batch import prepare, unwrapped
from ...engine.registry import (
    ERF_ATTRIBUTIONS,
    ERF_TARGETS,
    resolve_registered,
)
from ..config.config_file import load_config
from ..images.open_images import open_images
from ..images.source import ImageSource
from ..module.module_config import module_config
from ..module.network import Network, build_network
from ..run_notes import default_layers_notes
from ..run_provenance import provenance_of_run
from .photograph import photograph_of


@dataclass
class OpenedExplorer:
    """An explorer, and what its user should know.

    Attributes:
        explorer (Explorer): The photograph was run once; its ``picture`` is
            what the network sees of it.
        notes (list[str]): What the user should know, one sentence per note.
        warned (list[str]): Those of the notes that say what was chosen, or
            not loaded.
    """

    explorer: Explorer
    notes: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)


def open_explorer(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    image: str | os.PathLike,
    layers: Sequence[str | dict] | str | None = None,
    target: Any = None,
    attribution: Any = None,
    shares: Sequence[float] = SHARES,
    without: Sequence[str] | str | None = None,
    input_size: Sequence[int] | None = None,
    device: str | None = None,
    seed: int = 0,
    trust_checkpoint: bool = False,
    partial_checkpoint: bool = False,
    cfg_options: Mapping | None = None,
    most_bytes: int | None = None,
) -> OpenedExplorer:
    """Run a config's model on one photograph, and keep the graph.

    Args:
        config, checkpoint, layers, input_size, device: See
            :func:`mmerf.apis.erf_from_config`.
        image: A file. The config's own test pipeline loads it.
        target, attribution, shares, without, most_bytes: See
            :class:`mmerf.Explorer`.
        seed, trust_checkpoint, partial_checkpoint, cfg_options: See
            :func:`mmerf.apis.run_erf`.

    Returns:
        OpenedExplorer: Close its explorer to free the graph.

    Raises:
        ERFError: If the config, checkpoint, photograph or settings cannot be
            used, or its model tests in slide mode; its text is one line that
            says what would be right.
    """
    target = resolve_registered(target, ERF_TARGETS)
    attribution = resolve_registered(attribution, ERF_ATTRIBUTIONS)
    build_question(target, attribution)  # checks, before anything is built
    options = MeasurementOptions(
        layers, shares=shares, input_size=input_size, without=without
    )
    if os.path.isdir(image):
        raise ImageError(
            f'{one_line(image)} is a folder; name one photograph in it'
        )
    cfg = load_config(config, cfg_options)
    source = open_images(cfg, image)
    network = build_network(
        cfg,
        checkpoint,
        device=device,
        seed=seed,
        trust_checkpoint=trust_checkpoint,
        partial=partial_checkpoint,
    )
    source.preprocessor = network.preprocessor
    size = network.size(options.input_size)
    batch = _prepared(network, source, layers)
    explorer = _run(
        network.model, batch, layers, size,
        target=target, attribution=attribution, shares=options.shares,
        classes=source.classes or network.loaded.get('classes'),
        without=options.without, most_bytes=most_bytes,
        provenance=provenance_of_run(config, cfg, network, seed),
    )  # fmt: skip
    preprocessor = network.preprocessor or network.model.data_preprocessor
    explorer.picture = photograph_of(explorer.inputs, preprocessor)
    graph = megabytes(explorer.memory)
    return OpenedExplorer(
        explorer,
        [
            *network.notes,
            *source.notes,
            *default_layers_notes(network.model, layers, explorer.layers),
            f'the graph of this {explorer.size[0]} x {explorer.size[1]} image '
            f'keeps {graph} until it is closed',
        ],
        network.warned,
    )


def _prepared(network: Network, source: ImageSource, layers: Any) -> Batch:
    """The photograph as the model takes it; raises what is in the way."""
    for loaded in source.batches([0], 1):
        names = [layers] if isinstance(layers, str) else layers or ()
        batch = prepare(
            network.model,
            loaded,
            layers=[name for name in names if isinstance(name, str)],
            preprocessor=source.preprocessor,
        )
        if batch.kind != 'whole image':
            raise ConfigError(
                f"the config's model sees {batch.kind}, never a whole image, "
                'and which one would depend on the click; explore its whole '
                'mode with --cfg-options model.test_cfg.mode=whole, or '
                'measure the window with tools/erf.py'
            )
        return batch
    raise ImageError(f'{source.where}: {next(iter(source.skipped.values()))}')


def _run(
    model: nn.Module, batch: Batch, layers: Any, size: Any, **options: Any
) -> Explorer:
    """The explorer; what the model's own code raises becomes one line."""
    height, width = size or batch.inputs.shape[-2:]
    try:
        return Explorer(
            unwrapped(model), batch, layers, input_size=size, **options
        )
    except ERFError:
        raise
    except Exception as error:  # the model's code may raise anything
        if is_out_of_memory(error):
            raise ConfigError(
                f'out of memory with a {height} x {width} input; use a '
                'smaller --input-size'
            ) from error
        raise ConfigError(
            f'the model does not run on its {height} x {width} input: '
            f'{one_line(error)}'
        ) from error


def explorer_from_config(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike | None = None,
    *,
    image: str | os.PathLike,
    **options: Any,
) -> Explorer:
    """An explorer of one photograph by a config's model.

    Args:
        config: A path, ``'mmseg::FAMILY/NAME.py'``, or a config.
        checkpoint: None for the config's own initial weights.
        image: A file.
        **options: Further arguments of :func:`open_explorer`.

    Returns:
        Explorer: Warnings say what was chosen and which weights were not
        loaded.

    Raises:
        ERFError: As for :func:`open_explorer`.
    """
    opened = open_explorer(config, checkpoint, image=image, **options)
    for note in opened.warned:
        warnings.warn(note, stacklevel=2)
    return opened.explorer


def explorer_from_module(
    module: str | os.PathLike | nn.Module,
    checkpoint: str | os.PathLike | None = None,
    *,
    image: str | os.PathLike,
    module_options: Mapping[str, Any] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    letterbox: Sequence[int] | None = None,
    **options: Any,
) -> Explorer:
    """The same for a network without a config.

    Args:
        module, checkpoint, module_options, mean, std, letterbox: See
            :func:`mmerf.apis.erf_from_module`.
        image: A file.
        **options: Further arguments of :func:`open_explorer`.

    Raises:
        ERFError: As for :func:`open_explorer`.
    """
    config = module_config(module, module_options, mean, std, letterbox)
    return explorer_from_config(config, checkpoint, image=image, **options)
