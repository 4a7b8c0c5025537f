"""What three measurements leave on models of transformers: nothing.

Models that build themselves in their first forward, made from their configs
with random weights. Compared before and after, and with a twin that was never
measured: outputs, hooks, attributes, parameters, buffers. Needs transformers,
in an environment of its own, and tests/ on PYTHONPATH:

    PYTHONPATH=.:tests python tools/dev/agreement/transformers_traces.py

Exit status 1 if a model differs.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
import transformers
from helpers.model_state import differing, of_model, of_process
from torch import Tensor, nn

from mmerf import measure_erf

SMALL = dict(
    hidden_size=32, num_hidden_layers=4, num_attention_heads=4,
    intermediate_size=64, image_size=64,
)  # fmt: skip


def models() -> dict[str, tuple[Any, list[str]]]:
    """By name: how a model is made, and a layer of it."""
    t = transformers
    return {
        'SegFormer': (
            lambda: t.SegformerForSemanticSegmentation(
                t.SegformerConfig(
                    hidden_sizes=[8, 16, 16, 32],
                    depths=[1, 1, 1, 1],
                    decoder_hidden_size=16,
                )
            ),
            ['decode_head'],
        ),
        'BEiT': (
            lambda: t.BeitModel(t.BeitConfig(patch_size=8, **SMALL)),
            ['layers.3'],
        ),
        'DPT': (
            lambda: t.DPTForSemanticSegmentation(
                t.DPTConfig(
                    patch_size=8,
                    backbone_out_indices=[0, 1, 2, 3],
                    neck_hidden_sizes=[8, 16, 16, 16],
                    fusion_hidden_size=16,
                    **SMALL,
                )
            ),
            ['head'],
        ),
        'Mask2Former': (
            lambda: t.Mask2FormerModel(
                t.Mask2FormerConfig(
                    hidden_dim=32,
                    feature_size=32,
                    mask_feature_size=32,
                    num_attention_heads=4,
                    encoder_layers=1,
                    decoder_layers=2,
                    num_queries=5,
                    encoder_feedforward_dim=64,
                    dim_feedforward=64,
                )
            ),
            ['pixel_level_module.encoder'],
        ),
        'Dinov2': (
            lambda: t.Dinov2Model(t.Dinov2Config(patch_size=8, **SMALL)),
            ['encoder.layer.3'],
        ),
    }


def numbers(output: Any) -> list[Tensor]:
    """Every tensor of a model's output."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [tensor for item in output for tensor in numbers(item)]
    return []


def same(one: nn.Module, other: nn.Module, images: Tensor) -> bool:
    """Whether two models give the same, bit for bit."""
    with torch.no_grad():
        ours, theirs = numbers(one(images)), numbers(other(images))
    return len(ours) == len(theirs) and all(
        torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)
    )


def check(make: Any, layers: list[str]) -> list[str]:
    """What three measurements change: before any forward, and after one."""
    wrong = []
    images = torch.randn(1, 3, 64, 64)
    for first in (False, True):
        torch.manual_seed(0)
        model = make().eval()
        torch.manual_seed(0)
        twin = make().eval()
        if first:
            same(model, twin, images)
        before, process = of_model(model), of_process()
        maps = [measure_erf(model, images, layers) for _ in range(3)]
        wrong += differing(before, of_model(model))
        wrong += differing(process, of_process())
        for key, result in maps[0].items():
            for other in maps[1:]:
                if (other[key].map != result.map).any():
                    wrong.append(f'{key}: another map the next time')
        if not same(model, twin, images):
            wrong.append('other outputs than a twin')
    return wrong


def main() -> None:
    """Check every model and print a line for each."""
    failed = 0
    for name, (make, layers) in models().items():
        began = time.perf_counter()
        try:
            wrong = check(make, layers)
        except Exception as error:
            wrong = [f'{type(error).__name__}: {error}']
        failed += bool(wrong)
        spent = time.perf_counter() - began
        print(f'{name}: {"; ".join(wrong) or "nothing left"} ({spent:.1f} s)')
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
