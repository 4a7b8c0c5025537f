"""Layouts by behaviour: one that fits, none, or several."""

import torch

from mmerf.core.layers.behaviour import behaved_layouts
from mmerf.core.layers.candidates import possible_layouts


def decided(output_of, layouts=None):
    image = torch.randn(1, 3, 24, 32, generator=torch.Generator())
    shape = output_of(image).shape
    layouts = layouts or possible_layouts(shape, 1, (24, 32), [(12, 16)])
    found = behaved_layouts(
        {'x': layouts}, lambda changed: {'x': output_of(changed)}, image
    )
    return found.get('x')


def test_the_one_layout_that_fits_is_taken():
    def last(image):
        return image.repeat(1, 8, 1, 1).permute(0, 2, 3, 1)

    found = decided(last)
    assert found.size == (24, 32) and not found.swapped
    assert decided(lambda image: image.transpose(2, 3)).swapped
    tokens = decided(lambda image: image[..., ::2, ::2].flatten(2))
    assert tokens.size == (12, 16)


def test_none_and_several_are_not_decided():
    assert decided(lambda image: image.mean((2, 3), True) + image * 0) is None
    assert decided(lambda image: image * 0) is None
    (first, *_) = possible_layouts((1, 3, 24, 32), 1, (24, 32))
    assert decided(lambda image: image, [first]) is first
    assert decided(lambda image: image, [first, first]) is None
