"""Registers the plugin where OpenMMLab's packages are installed."""

import warnings

PACKAGES = ('mmengine', 'mmcv', 'mmseg')


def register() -> None:
    """Import what registers itself; without mm packages, do nothing.

    Packages that are there but cannot be imported (two families in one
    environment, versions that refuse each other) give a warning, so that a
    later 'ERFHook is not in the registry' has its reason beside it.
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
