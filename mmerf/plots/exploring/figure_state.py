"""What the controls are set to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...core.exploring.explorer import Explorer
from ...core.exploring.question import Question, build_question
from ...core.targets.class_unit import ClassUnit
from ...core.targets.classes import resolve_classes
from ..drawing.normalization import CMAP

# What is scored of a unit, and which part of the gradient is drawn.
POSITIVE, ALL, CLASS = 'positive channels', 'all channels', "a class's logit"
GRADIENT_PARTS = ('positive', 'absolute')


@dataclass
class FigureState:
    """Settings of a live figure.

    Attributes:
        shown (list[str]): Keys of the layers that have a panel.
        picked (str): The layer that is measured first, and whose unit the
            arrow keys move.
        score (str): One of ``scores_of``.
        part (str): ``'positive'`` or ``'absolute'`` gradient.
        class_index (int): Of the class whose logit is scored.
        share (float): Of the square that is drawn, in (0, 1).
        normalization, cmap (str): Of the maps.
        zoomed (bool): Panels show a window about the unit, not the image.
        given (Question, optional): One that the user asked and no control
            can; it is one more score.
    """

    shown: list[str]
    picked: str
    score: str = POSITIVE
    part: str = 'positive'
    class_index: int = 0
    share: float = 0.5
    normalization: str = 'power'
    cmap: str = CMAP
    zoomed: bool = True
    given: Question | None = None

    def question(self) -> tuple[Any, Any]:
        """Target and attribution, as :meth:`Explorer.ask` takes them."""
        if self.given is not None and self.score == given_name(self.given):
            return self.given.target, self.given.attribution
        target: dict[str, Any] = {
            'type': 'CentreUnit',
            'relu': self.score == POSITIVE,
        }
        if self.score == CLASS:
            target = {'type': 'ClassUnit', 'classes': self.class_index}
        return target, {'type': 'InputGradient', 'part': self.part}


def given_name(question: Question) -> str:
    """What a score that the user gave is called among the controls."""
    return f'{type(question.target).__name__} (given)'


def first_state(
    explorer: Explorer, most_panels: int, **settings: Any
) -> FigureState:
    """The settings that a figure starts with: they ask what is asked already.

    Args:
        explorer (Explorer): With a question, which becomes a score of its own
            where no control can ask it.
        most_panels (int): So many layers are shown, the last ones.
        **settings: ``normalization``, ``cmap``, ``share`` of FigureState.
    """
    shown = explorer.layers[-most_panels:]
    state = FigureState(shown, shown[-1], **settings)
    question = explorer.question
    index = _class_index_of(question, explorer)
    state.class_index = index or 0
    scores = [CLASS] if index is not None else [POSITIVE, ALL]
    for score in scores:
        for part in GRADIENT_PARTS:
            state.score, state.part = score, part
            if _asks(build_question(*state.question()), question):
                return state
    return replace(
        state,
        given=question,
        score=given_name(question),
        part=GRADIENT_PARTS[0],
    )


def _class_index_of(question: Question, explorer: Explorer) -> int | None:
    """Index of the class that a question is about, if it is about one."""
    target, classes = question.target, explorer.classes
    if not isinstance(target, ClassUnit):
        return None
    ((_, index),) = resolve_classes(target.classes, classes, len(classes))
    return index


def _asks(one: Question, other: Question) -> bool:
    """Whether two questions ask the same of a unit, but for the class."""
    (own, method), (its, its_method) = (
        (question.at((0, 0)), question.attribution)
        for question in (one, other)
    )
    return (own.definition, method.definition) == (
        its.definition,
        its_method.definition,
    )


def scores_of(explorer: Explorer, state: FigureState) -> list[str]:
    """The scores that can be chosen."""
    scores = [POSITIVE, ALL]
    if explorer.classes:
        scores.append(CLASS)
    if state.given is not None:
        scores.append(given_name(state.given))
    return scores
