"""A live figure: clicks and keys choose a unit, and its fields are shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from matplotlib.backend_bases import (
    DrawEvent,
    KeyEvent,
    MouseEvent,
    TimerBase,
)

from ...core.atomic_files import file_stem
from ...core.errors import ConfigError, ERFError, one_line
from ...core.exploring.explorer import Explorer
from ...core.grid.coordinates import PixelYX, nearest_pixel
from ...core.results.erf_result import ERFResult
from ..drawing.normalization import CMAP, check_normalization
from ..drawing.style import check_cmap, style
from .controls import Controls
from .figure_state import CLASS, first_state, scores_of
from .saving import save_to_new_folder
from .screen import MOST_PANELS, SCREEN_SIZE, Screen

MOST_LAYERS = 12  # check boxes that fit
PATIENCE = 0.5  # seconds; a slower model's fields are drawn one by one
_STEPS = {'up': (-1, 0), 'down': (1, 0), 'left': (0, -1), 'right': (0, 1)}


class ExplorerFigure:
    """Shows an explorer's photograph and the fields of its layers, live.

    A click chooses, in every layer that is shown, the unit that sits nearest
    the pixel. The picked layer's field is drawn first; a new click drops what
    is still to come. Keep a reference, as for every widget of matplotlib.

    Args:
        explorer (Explorer): Open. It is asked what the controls say.
        out_dir: Where ``s`` saves: a new folder inside for each time.
        name (str, optional): Of those folders; None for the photograph's.
        normalization, cmap (str): Of the maps at first.
        suffix (str): Format of the saved figure: png, pdf or svg.
        figure (optional): A matplotlib figure with nothing in it; None for
            a new one of pyplot, which its backend shows.
        say (callable): Gets one line for each folder that was saved.

    Attributes:
        figure: The matplotlib figure.
        explorer (Explorer): As given.
        state (FigureState): What the controls are set to.
        pixel (tuple[float, float]): Row and column that were asked last.
        results (dict[str, ERFResult]): By layer key, of that pixel.
        failures (dict[str, str]): By layer key, why there is no result.

    Raises:
        ConfigError: If there are more than 12 layers, or the normalisation
            or colour map does not exist.
    """

    def __init__(
        self,
        explorer: Explorer,
        out_dir: str | os.PathLike = 'explore',
        *,
        name: str | None = None,
        normalization: str = 'power',
        cmap: str = CMAP,
        suffix: str = 'png',
        figure: Any = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        if len(explorer.layers) > MOST_LAYERS:
            raise ConfigError(
                f'{len(explorer.layers)} layers are too many to choose from; '
                f'name at most {MOST_LAYERS} (--layers)'
            )
        self.explorer, self.out_dir = explorer, Path(out_dir)
        self.name = name or Path(explorer.name).stem or 'image'
        self.suffix, self._say = suffix, say
        self.state = state = first_state(
            explorer, MOST_PANELS,
            normalization=check_normalization(normalization),
            cmap=check_cmap(cmap),
        )  # fmt: skip
        self.results: dict[str, ERFResult] = {}
        self.failures: dict[str, str] = {}
        self._pending: list[str] = []
        self._due = 0.0  # when a further drawing is
        self._classes = explorer.classes
        height, width = explorer.size
        self.pixel: PixelYX = (height // 2, width // 2)
        if figure is None:
            from matplotlib import pyplot  # late: it chooses a backend

            figure = pyplot.figure(figsize=SCREEN_SIZE)
        self.figure = figure
        self.screen = Screen(
            figure, explorer.picture, self._told_at, explorer.layers
        )
        self.screen.lay_out_panels(state.shown)
        with style():
            self.controls = Controls(
                figure, state, explorer.layers, scores_of(explorer, state),
                self._classes, MOST_PANELS, self._change_question,
                self._change_layers, self._redraw, self._save_or_tell,
            )  # fmt: skip
        self._timer: TimerBase = figure.canvas.new_timer(interval=10)
        self._timer.single_shot = True
        self._timer.add_callback(self._go_on)
        self._connect()
        explorer.ask(*state.question())
        self._forget()
        self.finish()

    def choose(self, pixel: PixelYX) -> None:
        """Show the fields at a pixel: the picked layer's now, others soon.

        Args:
            pixel (tuple[float, float]): Row and column in the input, px;
                moved to the nearest one inside.
        """
        (y, x), (height, width) = pixel, self.explorer.size
        self.pixel = (
            min(max(y, 0.0), height - 1.0),
            min(max(x, 0.0), width - 1.0),
        )
        self._measure_all()

    def move(self, rows: int, columns: int) -> None:
        """Choose the unit that is so many strides of the picked layer away."""
        picked = self.state.picked
        unit = self.explorer.unit(picked, self.pixel)
        unit = self.explorer.moved(picked, unit, rows, columns)
        self.choose(self.explorer.grid(picked).pixel(unit))

    def pick(self, layer: str) -> None:
        """Let a layer be the first one, whose units the arrow keys move."""
        self.state.picked = layer
        self._draw()

    def finish(self) -> None:
        """Measure now what is still to come."""
        while self._pending:
            self._measure(self._pending.pop(0))
        self._draw()

    def save(self) -> list[Path]:
        """Write the figure, and an ``.npz`` per layer, to a new folder.

        Returns:
            list[Path]: The files; the figure first.

        Raises:
            OSError: If they cannot be written.
        """
        self.finish()
        y, x = map(round, self.pixel)
        with self.screen.without(self.controls.axes) as part:
            files = save_to_new_folder(
                self.out_dir / file_stem(f'{self.name}_y{y}_x{x}'),
                self.figure, part, self.suffix,
                dict(self.results),
            )  # fmt: skip
        self._say(f'wrote {files[0].parent}')
        return files

    def _connect(self) -> None:
        canvas = self.figure.canvas
        own = getattr(canvas.manager, 'key_press_handler_id', None)
        if own is not None:  # its s, arrows and others are the toolbar's
            canvas.mpl_disconnect(own)
        canvas.mpl_connect('button_press_event', self._on_click)
        canvas.mpl_connect('key_press_event', self._on_key)
        canvas.mpl_connect('draw_event', self._on_draw)

    def _on_click(self, event: MouseEvent) -> None:
        toolbar = getattr(self.figure.canvas.manager, 'toolbar', None)
        if event.button != 1 or (toolbar is not None and toolbar.mode):
            return  # the toolbar zooms or pans
        if event.inaxes is self.screen.photograph.ax:
            assert event.xdata is not None and event.ydata is not None
            self.choose(nearest_pixel((event.ydata, event.xdata)))
        for key, panel in self.screen.panels.items():
            if event.inaxes is panel.ax:
                self.pick(key)

    def _on_key(self, event: KeyEvent) -> None:
        if event.key in _STEPS:
            self.move(*_STEPS[event.key])
        elif event.key == 's':
            self._save_or_tell()
        elif event.key == 'z':
            self.controls.zoomed.set_active(0)
        elif event.key in ('[', ']'):
            self.controls.step_class(1 if event.key == ']' else -1)

    def _change_question(self) -> None:
        self.explorer.ask(*self.state.question())
        self._measure_all()

    def _change_layers(self) -> None:
        self.screen.lay_out_panels(self.state.shown)
        self._measure_all()

    def _forget(self) -> None:
        """Drop all results; the picked layer's comes first."""
        self.results.clear()
        self.failures.clear()
        picked = self.state.picked
        self._pending = sorted(self.state.shown, key=lambda key: key != picked)

    def _measure_all(self) -> None:
        """The picked layer's field now; the others when events were heard."""
        self._forget()
        self._go_on()

    def _go_on(self) -> None:
        if not self._pending:
            return
        first = not self.results and not self.failures
        self._measure(self._pending.pop(0))
        if type(self._timer) is TimerBase:  # of a canvas without events
            self.finish()
        elif first or not self._pending or perf_counter() > self._due:
            self._draw()  # and go on once that is seen
        else:
            self._timer.start()

    def _on_draw(self, event: DrawEvent) -> None:
        self._due = perf_counter() + PATIENCE
        if self._pending:
            self._timer.start()

    def _measure(self, key: str) -> None:
        try:
            unit = self.explorer.unit(key, self.pixel)
            self.results[key] = self.explorer.result(key, unit)
        except (ERFError, RuntimeError) as error:  # torch's: out of memory
            self.failures[key] = one_line(error)
        self.screen.show(self.results, self.failures, self.state, key)

    def _redraw(self) -> None:
        """Another look of the same results."""
        self.screen.show(self.results, self.failures, self.state)
        self._draw()

    def _draw(self) -> None:
        """Draw soon: a browser that is sent pictures unasked loses some."""
        self._mark()
        self.figure.canvas.draw_idle()

    def _mark(self) -> None:
        state = self.state
        complete = not self._pending
        self.screen.mark(self.pixel, self.results, state, complete)
        score = state.score
        if score == CLASS:
            score = f'the logit of {self._classes[state.class_index]}'
        self.screen.tell(f'{self._told_at(self.pixel)}; score: {score}')

    def _told_at(self, pixel: PixelYX) -> str:
        """What is told of a pixel of the photograph."""
        (y, x), (height, width) = map(round, pixel), self.explorer.size
        if not (0 <= y < height and 0 <= x < width):
            return ''
        label = None
        with suppress(ERFError):  # it is closed
            label = self.explorer.predicted((y, x))
        predicted = '' if label is None else f', predicted: {label}'
        return f'pixel ({y}, {x}){predicted}'

    def _save_or_tell(self) -> None:
        try:
            text = f'wrote {self.save()[0].parent}'
        except OSError as error:
            text = f'nothing was saved: {one_line(error)}'
        self.screen.tell(text)
        self.figure.canvas.draw_idle()
