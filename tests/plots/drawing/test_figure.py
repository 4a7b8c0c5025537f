import io

import numpy as np
from PIL import Image

from mmerf.plots import plot_layers, plot_map, to_rgb


def test_a_notebook_shows_a_figure(result):
    """IPython asks an object for ``_repr_png_``, whatever the backend."""
    for fig in (plot_map(result)[0], plot_layers({'a': result})[0]):
        shown = Image.open(io.BytesIO(fig._repr_png_())).convert('RGB')
        np.testing.assert_array_equal(np.asarray(shown), to_rgb(fig))
