"""How contributions by class reach the log and the vis backends."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from ..core.results.class_context import ClassContext
from .publish import scalar_tag


def scalars_of_contexts(
    contexts: Mapping[str, ClassContext],
) -> dict[str, float]:
    """``own_segment_share`` and ``own_class_share`` of each layer.

    Args:
        contexts (mapping of str to ClassContext): By layer.

    Returns:
        dict[str, float]: By tag, ``erf_own_segment_share/<layer>`` and so
        on; NaN where every map is zero.
    """
    return {
        scalar_tag(name, layer): share
        for layer, context in contexts.items()
        for name, share in context.means().items()
    }


def publish_contexts(
    runner: Runner, contexts: Mapping[str, ClassContext], step: int
) -> dict[str, Exception]:
    """Give contexts to every vis backend with ``add_class_context``.

    Args:
        runner (Runner): With the visualizer whose backends get them.
        contexts (mapping of str to ClassContext): By layer.
        step (int): The step to log at.

    Returns:
        dict[str, Exception]: What each backend that failed has raised, by
        its name.
    """
    errors: dict[str, Exception] = {}
    if not is_main_process():
        return errors
    for name, backend in runner.visualizer._vis_backends.items():
        try:
            for context in contexts.values():
                if hasattr(backend, 'add_class_context'):
                    backend.add_class_context(context, step)
        except Exception as error:  # no backend may stop a training
            errors[name] = error
    return errors
