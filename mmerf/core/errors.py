"""Every exception that mmerf raises on purpose.

A message is one line: what is wrong, then what would be right.
"""


class ERFError(Exception):
    """Base of mmerf's exceptions: something that the user can mend."""


class ConfigError(ERFError):
    """A setting, argument or config file that cannot be followed."""


class LayerError(ConfigError):
    """A layer request that this model cannot answer."""


class OutputIndexError(LayerError):
    """An output index that the layer does not have."""


class BatchError(ConfigError):
    """A data batch that the model's data preprocessor does not take."""


class TargetError(ERFError):
    """A target that does not fit the output it was given."""


class MeasurementError(ERFError):
    """A measurement that could not be finished."""


class StatisticError(ERFError):
    """A map or an argument that a statistic is not defined for."""


class ResultError(ERFError):
    """A stored result that is damaged, foreign or of another version."""


class CheckpointError(ERFError):
    """A checkpoint that is missing, unsafe or of another model."""


class ImageError(ERFError):
    """Images that are missing or that cannot be read."""
