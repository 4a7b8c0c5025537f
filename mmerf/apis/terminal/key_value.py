"""KEY=VALUE options, as mmengine reads them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ...core.errors import one_line


class KeyValuePairs(argparse.Action):
    """mmengine's KEY=VALUE; a pair that it cannot read is a usage error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Read the pairs into the namespace, or show how to write them."""
        pairs: Sequence[str] = values
        if not all('=' in pair for pair in pairs):
            raise self._unread()
        try:
            from mmengine.config import DictAction  # late: most have none
        except Exception as error:  # whatever a broken installation raises
            raise argparse.ArgumentError(
                self, f'cannot be read without mmengine: {one_line(error)}'
            ) from error
        read = DictAction(self.option_strings, self.dest, nargs='+')
        try:
            read(parser, namespace, list(pairs), option_string)
        except (AssertionError, RecursionError, ValueError) as error:
            raise self._unread() from error

    def _unread(self) -> argparse.ArgumentError:
        return argparse.ArgumentError(
            self,
            'not KEY=VALUE as mmengine reads it: numbers, true, text, '
            '[a,b] and (a,b); of a dict, set each key: '
            'model.backbone.norm_cfg.type=BN',
        )
