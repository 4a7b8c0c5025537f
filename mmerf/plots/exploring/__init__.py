"""The live figure: click a pixel, and see the fields of the units there.

Matplotlib's own events and widgets alone, so that one code serves a window on
the desktop, a browser (WebAgg) and a notebook (ipympl). ``explorer_figure``
answers events, ``controls`` are the widgets, ``layer_panel`` and
``photograph_panel`` draw.
"""
