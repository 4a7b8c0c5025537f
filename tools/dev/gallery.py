"""Measure and draw the gallery of the documentation.

    python tools/dev/gallery.py

writes docs/gallery.md and docs/gallery/*.png. Results are kept in
work_dirs/gallery, so that a second run only draws; remove a folder there to
measure its network anew.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

from gallery_texts import FAMILIES, INTRODUCTION, TRAINED, Family, Trained
from readme_figures import main as add_figure

from mmerf import ERFResult
from mmerf.apis import run_erf
from mmerf.apis.compare.read_runs import read_run
from mmerf.apis.write_outputs import write_report
from mmerf.plots import plot_comparison, plot_layers, save_figure

WORK = Path('work_dirs/gallery')
DOCS = Path('docs')
PHOTOS = Path('data/texture/photos')
SIZE, IMAGES, SEED = 256, 4, 0
COLOURS = 128  # of a picture


def measured(name: str, **options) -> dict[str, ERFResult]:
    """A network's results: as kept, or measured and kept."""
    folder = WORK / name
    if not (folder / 'erf.json').is_file():
        began = time.time()
        with contextlib.redirect_stdout(io.StringIO()):
            write_report(run_erf(seed=SEED, **options), folder)
        print(f'{name}: {time.time() - began:.0f} s', flush=True)
    return read_run(folder)


def of_family(name: str, family: Family) -> dict[str, ERFResult]:
    """With random weights, on the demo's photographs."""
    return measured(
        name,
        config=f'mmseg::{family.config}',
        img_dir=PHOTOS,
        num_images=IMAGES,
        input_size=(SIZE, SIZE),
        cfg_options=family.options,
    )


def of_demo(name: str, demo: Trained) -> dict[str, dict[str, ERFResult]]:
    """Before and after training, on the demo's validation set."""
    checkpoints = {
        'random': None,
        'trained': Path('work_dirs') / demo.config / 'iter_160.pth',
    }
    return {
        state: measured(
            f'{name}_{state}',
            config=f'configs/demo/{demo.config}.py',
            checkpoint=checkpoint,
            num_images=20,
        )
        for state, checkpoint in checkpoints.items()
    }


def numbers(results: Mapping[str, ERFResult]) -> dict:
    """What the texts may name: sides by output, and where the mass lies."""
    found = [result.statistics() for result in results.values()]
    squares = [one['centred_square'] for one in found]
    half = [square['0.5']['side'] for square in squares]
    most = [square['0.99']['side'] for square in squares]
    y, x = (
        round(centre - unit)
        for centre, unit in zip(
            found[0]['radial']['centroid'],
            next(iter(results.values())).unit_pixel,
            strict=True,
        )
    )
    return {
        'half': half,
        'most': most,
        'theory': [str(result.theory) for result in results.values()],
        'half_head': half[-1],
        'most_head': most[-1],
        'up': -y,
        'left': -x,
    }


def sides(results: Mapping[str, ERFResult]) -> str:
    """One line: every output's squares, and its theoretical field."""
    found = numbers(results)
    parts = [
        f'`{layer}` {half} / {most}'
        + (f' ({result.theory})' if result.theory else '')
        for (layer, result), half, most in zip(
            results.items(), found['half'], found['most'], strict=True
        )
    ]
    return ', '.join(parts)


def family_section(
    name: str, family: Family, results: Mapping[str, ERFResult]
) -> str:
    """A heading, the picture, two sentences and the sides."""
    text = ' '.join(family.text.split()).format(**numbers(results))
    return (
        f'## {family.title}\n\n'
        f'![{family.title}, output by output](gallery/{name}.png)\n\n'
        f'{text}\n\n'
        f'{sides(results)} px. `mmseg::{family.config}`\n'
    )


def trained_section(
    name: str, demo: Trained, runs: Mapping[str, Mapping[str, ERFResult]]
) -> str:
    """The same with one line of sides for each state."""
    before, after = (numbers(results) for results in runs.values())
    text = ' '.join(demo.text.split()).format(before=before, after=after)
    lines = [
        f'- {state}: {sides(results)} px' for state, results in runs.items()
    ]
    return (
        f'## {demo.title}\n\n'
        f'![{demo.title}, before and after training](gallery/{name}.png)\n\n'
        f'{text}\n\n'
        + '\n'.join(lines)
        + f'\n\n`configs/demo/{demo.config}.py`\n'
    )


def draw(name: str, kind: str, figure) -> None:
    """Into the documentation, with few colours and a note of the code."""
    picture = save_figure(figure, WORK / f'{name}.png')
    add_figure(
        kind, str(picture), str(DOCS / 'gallery' / f'{name}.png'), COLOURS
    )


def main() -> None:
    """Write pictures and page."""
    warnings.filterwarnings('ignore')
    logging.disable(logging.WARNING)
    WORK.mkdir(parents=True, exist_ok=True)
    sections = [INTRODUCTION.format(size=SIZE, images=IMAGES, seed=SEED)]
    for name, family in FAMILIES.items():
        results = of_family(name, family)
        draw(name, 'layers', plot_layers(results)[0])
        sections.append(family_section(name, family, results))
    for name, demo in TRAINED.items():
        runs = of_demo(name, demo)
        figure, _ = plot_comparison(runs, layout='rows')
        draw(name, 'comparison', figure)
        sections.append(trained_section(name, demo, runs))
    (DOCS / 'gallery.md').write_text('\n'.join(sections))


if __name__ == '__main__':
    main()
