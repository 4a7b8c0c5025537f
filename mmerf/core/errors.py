"""mmerf's exceptions, and the text of any exception on one line."""

from __future__ import annotations


class ERFError(Exception):
    """Base of mmerf's exceptions: a problem that the user can fix."""


class ConfigError(ERFError):
    """A setting, argument or config file that is wrong."""


class LayerError(ConfigError):
    """A layer that the model does not have, or that cannot be measured."""


class OutputIndexError(LayerError):
    """An output index that the layer does not have."""


class BatchError(ConfigError):
    """A data batch that the model's data preprocessor does not take."""


class TargetError(ERFError):
    """A target that does not fit a layer's output or the batch."""


class MeasurementError(ERFError):
    """A measurement that could not be finished."""


class ModelError(ERFError):
    """A model that fails on a crop, a strip or a copy of itself."""


class StatisticError(ERFError):
    """A map or an argument that a statistic is not defined for."""


class ResultError(ERFError):
    """A stored result that is damaged, foreign or of another version."""


class CheckpointError(ERFError):
    """A checkpoint that is missing, unsafe or of another model."""


class ImageError(ERFError):
    """Images that are missing or that cannot be read."""


def printable(text: str) -> str:
    r"""A text in which every character that controls a terminal is written.

    Control characters, escapes, newlines, marks that change the direction of
    writing, and halves of characters, as file names have them, become
    ``\x1b``, ``\n`` and so on.

    Example:
        >>> print(printable('90 ± 2'), printable('a\nb'))
        90 ± 2 a\nb
    """
    if text.isprintable():
        return text
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode()
        for c in text
    )


def one_line(error: object, length: int = 300) -> str:
    """An exception's text on one line, of bounded length.

    Args:
        error (object): An exception, or anything with a text.
        length (int): Most characters.

    Returns:
        str: The text; the name of the exception's class if it has no text.

    Example:
        >>> one_line(ValueError('two  words')), one_line(KeyError())
        ('two words', 'KeyError')
    """
    text = ' '.join(str(error).split()) or type(error).__name__
    return shortened(printable(text), length)


def shortened(text: str, length: int) -> str:
    """A text, or the first words of one that is too long, and ``...``.

    Args:
        text (str): On one line.
        length (int): Most characters.

    Example:
        >>> shortened('one image and many', 14), shortened('one image', 14)
        ('one image...', 'one image')
    """
    if len(text) <= length:
        return text
    return text[: length - 3].rsplit(' ', 1)[0] + '...'
