"""Numbers as people read them: lower bounds, and standard errors."""

from __future__ import annotations

import math

AT_LEAST = '≥ '


def lower_bound(text: object, bound: bool = True) -> str:
    """A number's text, marked where the number is only a lower bound.

    Example:
        >>> lower_bound(127), lower_bound(25, bound=False)
        ('≥ 127', '25')
    """
    return f'{AT_LEAST if bound else ""}{text}'


def with_error(text: str, error: float | None, form: str = '.1f') -> str:
    """A number's text with its standard error behind it.

    Args:
        text (str): The number.
        error (float, optional): Its standard error, >= 0; None or NaN where
            it is not known.
        form (str): Format spec of the error. An error that this would round
            to zero, and is not zero, has two significant digits instead.

    Example:
        >>> with_error('9', 0.54), with_error('9', 0.021), with_error('9', 0.0)
        ('9 ± 0.5', '9 ± 0.021', '9 ± 0.0')
    """
    if error is None or math.isnan(error):
        return text
    shown = format(error, form)
    if error and not float(shown):
        shown = f'{error:.2g}'
    return f'{text} ± {shown}'
