"""Where the live figure opens: on the desktop, or in a browser."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib

from ...core.errors import ConfigError

LOOPBACK, PORT = '127.0.0.1', 8988
_WITHOUT_WINDOWS = ('agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg', 'template')


def choose_backend(web: bool) -> None:
    """Choose matplotlib's backend, before there is a figure.

    Args:
        web (bool): WebAgg; else a window, as matplotlib itself chooses.

    Raises:
        ConfigError: If tornado is not installed, or no window can be opened.
    """
    if web:
        try:
            import tornado  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                '--web needs tornado: pip install tornado (or -r '
                'requirements/optional.txt)'
            ) from error
        matplotlib.use('WebAgg')
        return
    from matplotlib import pyplot

    pyplot.switch_backend(matplotlib.get_backend())
    name = matplotlib.get_backend()
    if name.lower() in _WITHOUT_WINDOWS:
        raise ConfigError(
            f'no window can be opened here (matplotlib has the backend {name} '
            'alone); --web shows the explorer in a browser, and a toolkit '
            'such as PyQt6 on a desktop'
        )


def show_windows() -> None:
    """Show pyplot's figures until they are closed."""
    from matplotlib import pyplot

    pyplot.show(block=True)


def serve_web(
    host: str = LOOPBACK,
    port: int = PORT,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve pyplot's figures to browsers until Ctrl-C.

    Args:
        host (str): Address to listen at. Whoever can reach it can use the
            explorer, and save files with it.
        port (int): If it is taken, another one near it serves.
        say (callable): Gets the address, in one line.

    Raises:
        ConfigError: If the address or port cannot be used.
    """
    from matplotlib.backends.backend_webagg import WebAggApplication
    from tornado.ioloop import IOLoop

    try:
        with matplotlib.rc_context({'webagg.port': port}):
            WebAggApplication.initialize(address=host)
    except (OSError, OverflowError, SystemExit) as error:
        raise ConfigError(
            f'{host} port {port} cannot be listened at ({error}); choose '
            'others with --host and --port'
        ) from error
    name = f'[{host}]' if ':' in host else host
    served: Any = WebAggApplication  # sets its port as it is initialised
    say(f'the explorer is at http://{name}:{served.port}/')
    with _signals_after_the_loop(IOLoop.current()):
        WebAggApplication.start()


@contextmanager
def _signals_after_the_loop(loop: Any) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a loop, and do what they do after it.

    What a handler raises in a callback of the loop would be lost.
    """
    kinds = [
        getattr(signal, name)
        for name in ('SIGTERM', 'SIGHUP')
        if hasattr(signal, name)
    ]
    came: list[int] = []

    def stop(number: int, frame: Any) -> None:
        came.append(number)
        loop.add_callback_from_signal(loop.stop)

    before = {kind: signal.signal(kind, stop) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        if came:
            signal.raise_signal(came[0])
