"""Parts of the benchmark in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DEV = Path(__file__).parents[1]


def run_child(module: str, *args: str) -> subprocess.CompletedProcess:
    """Run a module of this package, on the mmerf beside it.

    Returns:
        CompletedProcess: With what it printed.
    """
    paths = [str(DEV.parents[1]), str(DEV), os.environ.get('PYTHONPATH', '')]
    return subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            '-m',
            f'benchmarking.{module}',
            *args,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))},
    )
