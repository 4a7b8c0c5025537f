"""Put a figure into the README, with a note of the code that drew it.

    python tools/dev/readme_figures.py KIND PICTURE docs/FILE.png

The note describes what the code of that kind draws of maps that never change:
words, sizes and places. tests/tools/dev/test_readme_figures.py draws them
again, and fails once the README's figures are of another code.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gallery_texts import FAMILIES, TRAINED
from matplotlib.artist import Artist
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmerf import ERFResult
from mmerf.core.context.result import ContextResult
from mmerf.core.results.class_context import ClassContext
from mmerf.core.tiling.grid import tilings_of
from mmerf.core.tiling.result import TilingResult
from mmerf.plots import (
    plot_by_class,
    plot_comparison,
    plot_context,
    plot_growth,
    plot_layers,
    plot_tiles,
)
from mmerf.plots.drawing.figure import Figure
from mmerf.plots.questions import plot_questions

KEY = 'drawn by'
FIGURES = {
    'erf_demo.png': 'layers',
    'compare.png': 'comparison',
    'sweep.png': 'comparison',
    'pretrained.png': 'comparison',
    'questions.png': 'questions',
    'growth.png': 'growth',
    'decoder_interpolation.png': 'comparison',
    'which_crop_context.png': 'context',
    'which_crop_tiles.png': 'tiles',
    'which_crop_by_class.png': 'by class',
    **{f'gallery/{name}.png': 'layers' for name in FAMILIES},
    **{f'gallery/{name}.png': 'comparison' for name in TRAINED},
}
UNPLACED = ('growth', 'context', 'tiles', 'by class')  # the layout places them


def results(count: int) -> dict[str, ERFResult]:
    """Round maps of several widths, on a canvas far larger than they are."""
    y, x = np.mgrid[:400, :400]
    squared = (y - 200) ** 2 + (x - 200) ** 2
    return {
        f'layer {i}': ERFResult.from_map(
            np.exp(-squared / (2 * (3.0 + 2 * i) ** 2)), (200, 200)
        )
        for i in range(count)
    }


def growth_records() -> list[dict]:
    """What ``erf.jsonl`` holds of maps that grow."""
    return [
        {
            'step': step,
            'layer': layer,
            'input_size': [400, 400],
            'statistics': result.statistics(),
        }
        for step in (0, 40)
        for layer, result in results(3).items()
    ]


def context() -> ContextResult:
    """Curves of two images."""
    falling = np.linspace(1, [0.0, 0.2], 4).T
    sides = {'0.5': {'side': 23, 'stderr': 1.0, 'reaches_edge': False}}
    return ContextResult(
        layer='head',
        sides=(5, 23, 65, 129),
        keep_change=3 * falling,
        keep_flips=falling,
        replace_change=3 - 3 * falling,
        replace_flips=1 - falling,
        mass=np.linspace(0.01, 1, 65),
        erf_sides=sides,
        images=('a', 'b'),
        units=(9, 9),
    )


def tiles() -> TilingResult:
    """Two windows on two images."""
    tilings = tuple(tilings_of([32, 64]))
    pixels = np.full((2, len(tilings), 3), 100)
    return TilingResult(
        tilings,
        (0, 8, 16, 32),
        np.arange(pixels.size).reshape(pixels.shape) % 60,
        pixels,
        np.zeros((0, 0, 0)),
        np.ones((2, 1 + len(tilings))),
        np.ones((2, 1 + len(tilings))),
        ('a', 'b'),
        ((128, 128),) * 2,
    )


def by_class() -> ClassContext:
    """Two classes."""
    shares = np.array([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])
    names = ('sky', 'road')
    return ClassContext(
        'head', names, (*names, 'unlabelled'), 'label', shares, shares,
        shares, shares, np.ones(2), np.ones(2), (2, 2), (0, 0), (0, 0),
    )  # fmt: skip


DRAWINGS: dict[str, Callable[[], Figure]] = {
    'layers': lambda: plot_layers(results(5))[0],
    'comparison': lambda: plot_comparison(
        {'one': results(5), 'two': results(4)}
    )[0],
    'questions': lambda: plot_questions(results(3), title='questions')[0],
    'growth': lambda: plot_growth({'a': growth_records(), 'b': []})[0],
    'context': lambda: plot_context(context())[0],
    'tiles': lambda: plot_tiles(tiles())[0],
    'by class': lambda: plot_by_class(by_class())[0],
}


def description(kind: str) -> dict:
    """What the code of a kind draws: size, words, boxes, lines and colours.

    Args:
        kind (str): A key of ``DRAWINGS``.

    Returns:
        dict: Plain JSON; lengths in inches and points, places of panels as
        shares of the figure.
    """
    figure = DRAWINGS[kind]()
    placed = kind not in UNPLACED
    return {
        'kind': kind,
        'inches': [round(float(x), 3) for x in figure.get_size_inches()],
        'words': sorted(
            [text.get_text(), float(text.get_fontsize())]
            for text in figure.findobj(Text)
            if text.get_text() and text.get_visible()
        ),
        'panels': [
            [round(float(v), 4) for v in ax.get_position().bounds]
            for ax in figure.axes
            if placed
        ],
        'limits': [
            [round(float(v), 3) for v in (*ax.get_xlim(), *ax.get_ylim())]
            for ax in figure.axes
            if placed
        ],
        'lines': sorted(
            _look(line)
            for ax in figure.axes
            for line in (*ax.get_lines(), *ax.patches)
        ),
        'colours': sorted(
            {
                im.get_cmap().name
                for ax in figure.axes
                for im in ax.get_images()
            }
        ),
    }


def _look(line: Artist) -> list[str]:
    if isinstance(line, Rectangle):
        color = line.get_edgecolor()
        style, width = line.get_linestyle(), line.get_linewidth()
        return [
            'box',
            str(np.round(color, 2).tolist()),
            str(style),
            f'{width}',
        ]
    return [
        'line',
        str(line.get_color()),  # type: ignore[attr-defined]
        str(line.get_linestyle()),  # type: ignore[attr-defined]
        f'{line.get_linewidth():g}',  # type: ignore[attr-defined]
        str(line.get_marker()),  # type: ignore[attr-defined]
    ]


def main(kind: str, picture: str, target: str, colours: int = 256) -> None:
    """Write the picture with few colours, and its note."""
    info = PngInfo()
    info.add_text(KEY, json.dumps(description(kind)), zip=True)
    image = Image.open(picture).convert('RGB')
    small = image.quantize(colours, Image.Quantize.MAXCOVERAGE, 4)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    small.save(target, optimize=True, pnginfo=info)


if __name__ == '__main__':
    main(*sys.argv[1:])
