"""The command ``mmerf``, or ``python -m mmerf``: the tools, by name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

TOOLS = {
    'erf': ('erf.py', 'measure the layers of a model'),
    'compare': ('compare_erf.py', 'draw several runs in one figure'),
    'context': ('context.py', 'tell how much context units need'),
    'tiles': ('tiles.py', 'tell which window and overlap to slide with'),
    'explore': ('explore.py', 'click a photograph, see the fields there'),
    'sweep': ('sweep_erf.py', 'measure every combination of some settings'),
}


def tools_folder() -> Path:
    """Where the tools are: inside the wheel, or beside the package."""
    package = Path(__file__).parent
    packed = package / '.mim' / 'tools'
    return packed if packed.is_dir() else package.parent / 'tools'


def main(argv: list[str] | None = None) -> int:
    """Run a tool with the remaining arguments; return its exit status.

    Args:
        argv (list[str], optional): The tool's name, and its arguments; None
            for those of the process.
    """
    name, *rest = (sys.argv[1:] if argv is None else argv) or ['--help']
    if name not in TOOLS:
        rows = ''.join(
            f'  mmerf {tool:8} {text}\n' for tool, (_, text) in TOOLS.items()
        )
        text = f'usage: mmerf TOOL ...\n\n{rows}\nmmerf TOOL --help: more\n'
        if name in ('-h', '--help'):
            print(text, end='')
            return 0
        print(f'error: there is no tool {name!r}\n{text}', file=sys.stderr)
        return 2
    path = tools_folder() / TOOLS[name][0]
    spec = importlib.util.spec_from_file_location(f'_mmerf_{name}', path)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    arguments, sys.argv = sys.argv, [f'mmerf {name}', *rest]
    try:
        spec.loader.exec_module(tool)
        return tool.main(rest)
    finally:
        sys.argv = arguments


if __name__ == '__main__':
    sys.exit(main())
