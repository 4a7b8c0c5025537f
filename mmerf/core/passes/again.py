"""A pass that starts again, and finds the model as it was before."""


class RunAgain(Exception):
    """A pass has shown how it is to be run; nothing of it counts."""
