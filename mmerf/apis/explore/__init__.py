"""One photograph of a config's model, explored live.

``open_explorer`` builds and runs the model once; ``window`` shows the figure
on the desktop or in a browser.
"""
