"""KEY=VALUE options, as mmengine reads them."""

from __future__ import annotations

import argparse
from typing import Any

from mmengine.config import DictAction


class KeyValuePairs(DictAction):
    """mmengine's KEY=VALUE; a pair that it cannot read is a usage error."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Read the pairs into the namespace, or show how to write them."""
        try:
            super().__call__(*args, **kwargs)
        except (AssertionError, RecursionError, ValueError) as error:
            raise argparse.ArgumentError(
                self,
                'not KEY=VALUE as mmengine reads it: numbers, true, text, '
                '[a,b] and (a,b); of a dict, set each key: '
                'model.backbone.norm_cfg.type=BN',
            ) from error
