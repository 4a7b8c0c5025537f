"""Numbers below panels: sides of squares, and fields that are not drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from matplotlib.axes import Axes

from ..core.errors import shortened
from ..core.results.erf_result import ERFResult
from ..core.statistics.texts import AT_LEAST
from .drawing.look import Look
from .drawing.marks import drawn_shares, is_seen, side_texts
from .drawing.panels import NARROW_PANEL, NUMBER_SIZE
from .drawing.text import LINE_HEIGHT, fits, wrap_text

_SMALLEST_SIZE = 6.0  # points
_LONGEST_REASON = 90  # characters
Panels = Sequence[tuple[Axes, ERFResult]]
Wording = Callable[[Axes, ERFResult], str]


def write_numbers(
    panels: Panels, width: float, look: Look
) -> tuple[float, str]:
    """Write at most two lines below each panel.

    They are the sides of its squares; of contours the numbers alone, in as
    many lines as they take. Where some panels show a box of the
    theoretical field and others do not, the second line says how large each
    field is, or why there is no box.

    Args:
        panels (sequence of (Axes, ERFResult)): Drawn, within their limits.
        width (float): Of a panel, inches.
        look (Look): Whether contours are drawn.

    Returns:
        tuple[float, str]: Height of what was written, inches; and a note on
        it, where sides stand without their shares.
    """
    wordings = [[_apart if width >= NARROW_PANEL else _below]]
    if some_fields_missing(panels):
        wordings = [[_apart, _with_commas, _alone], [_theory, _short_theory]]
    if look.contours:

        def numbers(ax: Axes, result: ERFResult) -> str:
            sides = side_texts(result, drawn_shares(result, look)).values()
            return wrap_text(', '.join(sides), width, NUMBER_SIZE)

        wordings = [[numbers], *wordings[1:]]
    chosen = [_first_that_fits(some, panels, width) for some in wordings]
    size = min(size for _, size in chosen)
    most = 1
    for ax, result in panels:
        text = '\n'.join(line(ax, result) for line, _ in chosen).rstrip()
        ax.set_xlabel(text, fontsize=size, labelpad=2)
        most = max(most, text.count('\n') + 1)
    note = ''
    if chosen[0][0] is _alone:
        _, first = panels[0]
        shares = ' and '.join(f'{100 * s:g}' for s in drawn_shares(first))
        note = f'; first line: sides of the squares that hold {shares} %'
    return most * NUMBER_SIZE * LINE_HEIGHT, note


def some_fields_missing(panels: Panels) -> bool:
    """Whether a box of a theoretical field is seen in some panels only."""
    seen = [is_seen(ax, 'theory') for ax, r in panels if r.kind == 'erf']
    return any(seen) and not all(seen)


def theory_text(ax: Axes, result: ERFResult) -> str:
    """Size of a theoretical field, and why its box is not in the panel."""
    field = result.theory
    if field is None:
        known = 'theory' in result.provenance
        return 'not known' if known else 'not looked for'
    if field.size is None:
        return str(field)
    height, width = field.size
    size = f'{height} px' if height == width else f'{height} x {width} px'
    if is_seen(ax, 'theory'):
        return size
    return f'{size} > {"image" if _covers(result) else "panel"}'


def bounds_note(results: Iterable[ERFResult]) -> str:
    """What the sign of a lower bound means, where a side has it."""
    for result in results:
        texts = side_texts(result, drawn_shares(result)).values()
        if any(text.startswith(AT_LEAST) for text in texts):
            return f"; {AT_LEAST.strip()}: the square reaches the image's edge"
    return ''


def missing_reasons(results: Iterable[ERFResult]) -> str:
    """Why fields are not known or only bounds, each reason once."""
    layers: dict[str, list[str]] = {}
    for result in results:
        why = result.provenance.get('theory')
        if isinstance(why, str) and (
            result.theory is None or result.theory.size is None
        ):
            layers.setdefault(why, []).append(result.layer)
    return ''.join(
        f'; theory of {", ".join(dict.fromkeys(some))}: '
        f'{shortened(why, _LONGEST_REASON)}'
        for why, some in layers.items()
    )


def _first_that_fits(
    wordings: Sequence[Wording], panels: Panels, width: float
) -> tuple[Wording, float]:
    """The first wording, with its size, that fits below all panels.

    The last one is for panels that no other fits at any size.
    """
    *others, shortest = wordings
    for size in (NUMBER_SIZE, _SMALLEST_SIZE):
        for line in others:
            if all(fits(line(*one), width, size) for one in panels):
                return line, size
    return shortest, NUMBER_SIZE


def _sides_by_share(result: ERFResult) -> dict[str, str]:
    texts = side_texts(result, drawn_shares(result))
    return {f'{share * 100:g} %': text for share, text in texts.items()}


def _apart(ax: Axes, result: ERFResult) -> str:
    return '   '.join(
        f'{k}: {v} px' for k, v in _sides_by_share(result).items()
    )


def _below(ax: Axes, result: ERFResult) -> str:
    return _apart(ax, result).replace('   ', '\n')


def _with_commas(ax: Axes, result: ERFResult) -> str:
    return _apart(ax, result).replace(' px   ', ', ')


def _alone(ax: Axes, result: ERFResult) -> str:
    sides = _sides_by_share(result)
    return f'{", ".join(sides.values())} px' if sides else ''


def _theory(ax: Axes, result: ERFResult) -> str:
    return f'theory: {theory_text(ax, result)}' if result.kind == 'erf' else ''


def _short_theory(ax: Axes, result: ERFResult) -> str:
    text = _theory(ax, result).replace(':', '')
    what = text.partition(' > ')[2]
    return f'theory > {what}' if what else text


def _covers(result: ERFResult) -> bool:
    """Whether no edge of the theoretical field lies inside the map."""
    assert result.theory is not None
    limits = result.theory.box(result.unit_pixel)
    assert limits is not None
    top, bottom, left, right = limits
    height, width = result.map.shape
    return (
        top <= 0 and left <= 0 and bottom >= height - 1 and right >= width - 1
    )
