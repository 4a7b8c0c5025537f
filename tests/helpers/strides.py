"""Models that read memory as if images were in the plain layout."""

from torch import nn


def rows_of_memory(x):
    """Rows as they lie in memory: others, and no error, in another layout."""
    n, c, h, w = x.shape
    return x.as_strided((n, c, h, w), (c * h * w, h * w, w, 1)) * 1.0


class RowsAdded(nn.Module):
    """Half of what lies in memory, beside what the layout can be told by."""

    def forward(self, x):
        return x + 0.5 * rows_of_memory(x)
