"""A smaller net that fails in the same way."""

import time
from dataclasses import replace

from .block import Unfit
from .check import are_together, compare, is_few, with_reference
from .nets import from_recipe
from .records import NetRecord


def shrink(record, part):
    """Drop layers, blocks and images as long as the net fails.

    Args:
        record (NetRecord): Of a net that fails.
        part (str): What is to stay wrong: ``map``, ``pixel``, ``theory`` or
            ``trace``.

    Returns:
        NetRecord: The smallest that was found.
    """
    best, shorter = record, True
    known = record.seed is not None
    few = known and is_few(record.seed)
    together = known and are_together(record.seed)
    while shorter:
        shorter = False
        for recipe in _smaller(best.recipe):
            found = _failing(recipe, part, few, together)
            if found is not None:
                best, shorter = found, True
                break
    return best


def check_recipe(recipe, theory, few=False, together=False):
    """The record of a recipe's net, measured as few images or as many are.

    Or, if ``together``, as images that are given one by one.

    Raises:
        Unfit: If there is no such net, or its map is zero.
    """
    begin = time.perf_counter()
    net = with_reference(from_recipe(recipe))
    layers = compare(net, theory, few=few, together=together)
    return NetRecord(None, recipe, layers, time.perf_counter() - begin)


def _failing(recipe, part, few, together):
    """The record of a recipe that still fails; None of others."""
    try:
        record = check_recipe(recipe, part == 'theory', few, together)
    except Unfit:
        return None
    return record if any(part in x.failed for x in record.layers) else None


def _smaller(recipe):
    """Recipes that are one step smaller."""
    if len(recipe.layers) > 1:
        for layer in recipe.layers:
            yield replace(recipe, layers=(layer,))
    last = max(index for index, _ in recipe.layers)
    if last + 1 < len(recipe.blocks):
        yield replace(recipe, blocks=recipe.blocks[: last + 1])
    for gone in range(len(recipe.blocks)):
        layers = tuple(
            (index - (index > gone), inner)
            for index, inner in recipe.layers
            if index != gone
        )
        blocks = recipe.blocks[:gone] + recipe.blocks[gone + 1 :]
        if layers and blocks:
            yield replace(recipe, blocks=blocks, layers=layers)
        if not layers and gone:  # measure the block before instead
            yield replace(
                recipe, blocks=recipe.blocks[:gone], layers=((gone - 1, ''),)
            )
    if recipe.batch > 1:
        yield replace(recipe, batch=1)
    if recipe.style != 'noise':
        yield replace(recipe, style='noise')
    if recipe.target != ('CentreUnit',):
        yield replace(recipe, target=('CentreUnit',))
