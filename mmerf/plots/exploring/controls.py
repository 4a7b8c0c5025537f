"""The widgets: what is asked, which layers are shown, how maps are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import FigureBase
from matplotlib.widgets import Button, CheckButtons, RadioButtons, Slider

from ..drawing.normalization import CMAP, NORMALIZATIONS
from ..drawing.style import drawable
from ..drawing.text import wrap_text
from .figure_state import CLASS, GRADIENT_PARTS, FigureState

CMAPS = (CMAP, 'viridis', 'magma', 'gray')
_FONT: dict[str, Sequence[Any]] = {'fontsize': [8]}
_LAYERS_WIDE = 0.17  # of the figure


class Controls:
    """Widgets below the panels; each change calls back.

    Args:
        figure: A figure, or a part of one, of which the lower part is free.
        state (FigureState): What they are set to, and set.
        layers (sequence of str): Keys, each with a check box.
        scores (sequence of str): That can be asked.
        classes (sequence of str): Labels; none for no slider.
        most_panels (int): So many layers are shown at most.
        on_question, on_layers, on_picture (callable): Called once the state is
            changed: another question, other layers, another look.
        on_save (callable): Called to save.
    """

    def __init__(
        self,
        figure: FigureBase,
        state: FigureState,
        layers: Sequence[str],
        scores: Sequence[str],
        classes: Sequence[str],
        most_panels: int,
        on_question: Callable[[], None],
        on_layers: Callable[[], None],
        on_picture: Callable[[], None],
        on_save: Callable[[], None],
    ) -> None:
        self.state, self.layers, self.classes = state, list(layers), classes
        self._figure, self._most = figure, most_panels
        self._on_question, self._on_layers = on_question, on_layers
        self._on_picture = on_picture
        self.axes: list[Any] = []
        wide = _LAYERS_WIDE * figure.get_figure(root=True).get_figwidth()
        names = [wrap_text(key, wide - 0.35, 8, 1) for key in layers]
        self.shown = CheckButtons(
            self._box('layers', 0.01, _LAYERS_WIDE), names,
            [key in state.shown for key in layers], label_props=_FONT,
        )  # fmt: skip
        self.shown.on_clicked(self._choose_layers)
        self.score = self._radio('score of the unit', 0.19, 0.11, scores,
                                 state.score, 'score')  # fmt: skip
        self.part = self._radio('gradient', 0.31, 0.08, GRADIENT_PARTS,
                                state.part, 'part')  # fmt: skip
        self.normalization = self._radio(
            'normalization', 0.40, 0.09, list(NORMALIZATIONS),
            state.normalization, 'normalization',
        )  # fmt: skip
        cmaps = list(dict.fromkeys([state.cmap, *CMAPS]))
        self.cmap = self._radio(
            'colours', 0.50, 0.09, cmaps, state.cmap, 'cmap'
        )
        self.share = self._slider('share (%)', 0.15, 1, 99, state.share * 100)
        self.share.on_changed(self._set_share)
        self.class_index: Slider | None = None
        if len(classes) > 1:
            self.class_index = self._slider(
                'class', 0.10, 0, len(classes) - 1, state.class_index
            )
            self._write_class()
            self.class_index.on_changed(self._set_class)
        self.zoomed = CheckButtons(
            self._box('', 0.66, 0.13, 0.01, 0.06), ['zoom to the unit (z)'],
            [state.zoomed], label_props=_FONT,
        )  # fmt: skip
        self.zoomed.on_clicked(lambda _: self._set('zoomed', not state.zoomed))
        box = figure.add_axes((0.83, 0.015, 0.08, 0.045))
        self.axes.append(box)
        self.save = Button(box, 'save (s)')
        self.save.label.set_fontsize(8)
        self.save.on_clicked(lambda _: on_save())

    def set_visible(self, visible: bool) -> None:
        """Show or hide all widgets, for a picture without them."""
        for ax in self.axes:
            ax.set_visible(visible)

    def step_class(self, step: int) -> None:
        """Ask the next class, or the one before."""
        if self.class_index is not None:
            last = len(self.classes) - 1
            index = min(max(self.state.class_index + step, 0), last)
            self.class_index.set_val(index)

    def _box(
        self, title: str, left: float, width: float, bottom: float = 0.01,
        height: float = 0.175,
    ) -> Any:  # fmt: skip
        ax = self._figure.add_axes((left, bottom, width, height))
        ax.set_title(title, fontsize=8, loc='left', pad=2)
        ax.axis('off')
        ax.set_navigate(False)
        self.axes.append(ax)
        return ax

    def _radio(
        self, title: str, left: float, width: float, labels: Sequence[str],
        active: str, name: str,
    ) -> RadioButtons:  # fmt: skip
        widget = RadioButtons(
            self._box(title, left, width), labels,
            list(labels).index(active), label_props=_FONT,
            radio_props={'s': 30, 'facecolor': '#0072b2'},
        )  # fmt: skip
        widget.on_clicked(lambda label: self._set(name, label))
        return widget

    def _slider(
        self, label: str, bottom: float, low: float, high: float, now: float
    ) -> Slider:
        ax = self._figure.add_axes((0.68, bottom, 0.20, 0.03))
        self.axes.append(ax)
        ax.set_navigate(False)
        widget = Slider(ax, label, low, high, valinit=now, valstep=1)
        for text in (widget.label, widget.valtext):
            text.set_fontsize(8)
        return widget

    def _set(self, name: str, value: Any) -> None:
        if getattr(self.state, name) == value:
            return
        setattr(self.state, name, value)
        asked = name in ('score', 'part')
        (self._on_question if asked else self._on_picture)()

    def _set_share(self, percent: float) -> None:
        self._set('share', float(percent) / 100)

    def _set_class(self, index: float) -> None:
        self.state.class_index = int(index)
        self._write_class()
        if self.state.score == CLASS:
            self._on_question()
        else:  # which asks
            self.score.set_active(self.labels_of(self.score).index(CLASS))

    def _write_class(self) -> None:
        assert self.class_index is not None
        name = drawable(self.classes[self.state.class_index])
        self.class_index.valtext.set_text(name[:24])

    @staticmethod
    def labels_of(widget: RadioButtons) -> list[str]:
        """What a widget lets one choose between."""
        return [label.get_text() for label in widget.labels]

    def _choose_layers(self, _: Any) -> None:
        chosen = [
            key
            for key, on in zip(
                self.layers, self.shown.get_status(), strict=True
            )
            if on
        ]
        fits = 0 < len(chosen) <= self._most
        if not fits:  # as it was
            for index, key in enumerate(self.layers):
                on = self.shown.get_status()[index]
                if on != (key in self.state.shown):
                    self.shown.eventson = False
                    self.shown.set_active(index)
                    self.shown.eventson = True
            return
        self.state.shown = chosen
        if self.state.picked not in chosen:
            self.state.picked = chosen[-1]
        self._on_layers()
