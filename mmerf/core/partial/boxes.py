"""Which box of every operation's output the end of a forward depends on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from .needs import ONE_OUTPUT, needed_by
from .operations import Recorded, Recording
from .regions import Places, Region


def needed_boxes(recording: Recording) -> list[Places | None]:
    """For each operation the part of its output that is needed.

    What no later operation reads is a result, and all of it is needed: a
    score. So is what the forward returns, what an operation reads that makes
    no tensor (a number that Python asks for), and whatever it changes that
    the forward has not made, of which no part is known.

    Args:
        recording (Recording): Of a forward.

    Returns:
        list: A box of the output's grid; None for all of it, or where the
        output is no grid.
    """
    needs = _Needs(recording.operations)
    for region in recording.results:
        needs.add(region, None)
    last_first = reversed(range(len(recording.operations)))
    found = [needs.of(number) for number in last_first]
    return found[::-1]


class _Needs:
    """Goes through a forward from its end to its start."""

    def __init__(self, operations: Sequence[Recorded]) -> None:
        self.operations = operations
        # By memory: a box, or None for all of it; absent for nothing.
        self.needed: dict[int, Places | None] = {}
        self._changed_last: dict[int, int] = {}
        self._read_last: dict[int, int] = {}
        for number, op in enumerate(operations):
            for region in (*op.makes, *op.writes):
                self._changed_last[region.memory] = number
            if not op.is_view:
                for region in op.reads:
                    self._read_last[region.memory] = number

    def of(self, number: int) -> Places | None:
        """What is needed of an operation's output; adds what that needs."""
        op = self.operations[number]
        if op.is_view:
            return None
        outputs = [*op.makes, *op.writes]
        if self._is_result(number, outputs):
            self._add_all(op)
            self._forget(op)
            return None
        some = [r for r in outputs if r.memory in self.needed]
        boxes = [self._box_of(region) for region in some]
        wanted = [box for box in boxes if box != _NOTHING]
        self._forget(op)
        if not wanted:
            return None
        box: Places | None = None
        known = [one for one in wanted if one is not None]
        if _is_one_grid(op, outputs) and len(known) == len(wanted):
            box = reduce(Places.joined, known)
        for region, part in needed_by(op, box):
            self.add(region, part)
        return box

    def _is_result(self, number: int, outputs: list[Region]) -> bool:
        if not outputs:
            return True
        if self.operations[number].name in ONE_OUTPUT:
            outputs = outputs[:1]
        return any(
            self._changed_last[region.memory] == number
            and self._read_last.get(region.memory, -1) <= number
            for region in outputs
        )

    def _box_of(self, region: Region) -> Places | None:
        """What is needed of a region, in its own rows and columns."""
        needed = self.needed[region.memory]
        if region.box is None:
            return None
        shared = region.box if needed is None else needed.within(region.box)
        if shared is None:
            return _NOTHING
        if not region.grid:
            return None
        return shared.moved(-region.box.rows[0], -region.box.columns[0])

    def _forget(self, op: Recorded) -> None:
        for region in op.makes:
            self.needed.pop(region.memory, None)

    def _add_all(self, op: Recorded) -> None:
        for region in op.reads:
            self.add(region, None)

    def add(self, region: Region, part: Places | None) -> None:
        """Need a part of a region, in its own rows and columns."""
        box = region.box
        if box is not None and part is not None and region.grid:
            box = part.moved(box.rows[0], box.columns[0]).within(box)
            if box is None:
                return
        before = self.needed.get(region.memory, _NOTHING)
        if before == _NOTHING:
            self.needed[region.memory] = box
        elif before is None or box is None:
            self.needed[region.memory] = None
        else:
            self.needed[region.memory] = before.joined(box)


_NOTHING = Places((0, 0), (0, 0))


def _is_one_grid(op: Recorded, outputs: list[Region]) -> bool:
    """Whether all outputs are grids of one size."""
    if op.name in ONE_OUTPUT:
        outputs = outputs[:1]
    grids = {r.shape[2:] for r in outputs if r.grid}
    return len(grids) == 1 and all(r.grid for r in outputs)
