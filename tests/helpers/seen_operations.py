"""A mode that keeps the names of the operations that it sees."""

from mmerf.core.aten import AtenMode


class Seen(AtenMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func._schema.name.removeprefix('aten::'))
        return func(*args, **(kwargs or {}))
