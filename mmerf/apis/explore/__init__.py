"""One photograph of a config's model, explored live.

``open_explorer`` builds and runs the model once; ``photograph`` is what the
network sees of the file. The figure is in ``plots/exploring``.
"""
