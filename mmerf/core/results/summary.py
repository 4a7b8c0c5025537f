"""A result as people see it where they print it: a line, or a small table."""

from __future__ import annotations

from html import escape
from typing import Any

from ..errors import one_line
from ..statistics import headline_shares, shown_numbers
from ..statistics.base import SIZES


def summary_line(result: Any) -> str:
    """Layer, sides at two shares and number of images, on one line.

    Args:
        result (ERFResult): Any.
    """
    parts = [
        f'{heading} {text}' for heading, text in _headline_numbers(result)
    ]
    layer = one_line(repr(result.layer), 120)
    return f'ERFResult({", ".join([layer, *parts, _images(result)])})'


def summary_html(result: Any) -> str:
    """The same and the unit, map and theoretical field, as an HTML table."""
    y, x = result.unit_pixel
    assumed = '' if result.pixel_known else ' (assumed)'
    height, width = result.map.shape
    field = 'not known' if result.theory is None else f'{result.theory} px'
    rows = [
        ('layer', result.label),
        *_headline_numbers(result),
        ('theoretical field', field),
        ('unit at (y, x)', f'({y:.1f}, {x:.1f}) px{assumed}'),
        ('map', f'{height} x {width} px, mean over {_images(result)}'),
    ]
    cells = ''.join(
        f'<tr><th style="text-align:left">{escape(head)}</th>'
        f'<td style="text-align:left">{escape(one_line(text))}</td></tr>'
        for head, text in rows
    )
    return f'<table>{cells}</table>'


def why_zero(result: Any) -> str:
    """Why the map is zero everywhere, as its definition has it.

    Args:
        result (ERFResult): With a map of zeros.

    Returns:
        str: Such as ``'no channel of the unit is positive'``; empty where the
        result does not say what was scored, as of anybody's map.
    """
    if result.kind != 'erf':
        return 'nothing attends to the target'
    score = result.definition.get('score', '')
    attribution = result.definition.get('map', '')
    if result.zero_score_images or result.zero_score_units:
        if 'relu(logit)' in score:
            return "the class's logit is not positive"
        if 'relu(output)' in score:
            which = 'scored channel' if 'channels [' in score else 'channel'
            one = result.units <= result.num_images
            if one and 'mean over' not in score:
                return f'no {which} of the unit is positive'
            return f'no {which} is positive at any scored unit'
    if 'relu(d score' in attribution:
        return 'no pixel moves the score upwards'
    return 'no pixel moves the score' if attribution else ''


def _headline_numbers(result: Any) -> list[tuple[str, str]]:
    """The sides with standard errors, or why there are none."""
    if result.kind != 'erf':
        return [('kind', 'picture of attention, no sides')]
    if not result.map.any():
        return [('sides', 'none, the map is zero everywhere')]
    keys = [f'side_{share}' for share in headline_shares(result.shares)]
    return [
        (number.heading, number.text(found[name], result.uncertainty))
        for name, number in shown_numbers(SIZES, result.shares)
        if number.key in keys and (found := result.statistics([name]))
    ]


def _images(result: Any) -> str:
    zero = result.zero_score_images
    return f'{result.num_images} image(s)' + (
        f', {zero} with a zero score' if zero else ''
    )
