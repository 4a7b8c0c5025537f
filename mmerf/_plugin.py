"""Register hook and backend where OpenMMLab's packages are installed."""

import warnings

PACKAGES = ('mmengine', 'mmcv', 'mmseg')


def register() -> None:
    """Register ERFHook and ERFVisBackend by importing their rooms.

    Without OpenMMLab's packages, do nothing. If they are installed but cannot
    be imported (two families in one environment, versions that refuse each
    other), warn: that is the reason of a later 'ERFHook is not in the
    registry'.
    """
    try:
        from . import engine, visualization  # noqa: F401
    except (ImportError, AssertionError) as error:
        if missing(error) not in PACKAGES:
            text = ' '.join(str(error).split())
            warnings.warn(
                f'mmerf could not register ERFHook and ERFVisBackend: {text}',
                stacklevel=3,
            )


def missing(error: Exception) -> str:
    """Name of the package that an ImportError did not find."""
    return (getattr(error, 'name', None) or '').split('.')[0]
