"""What a test's model notes, and keeps after a measurement."""

import threading


class Log:
    """Lists by name. Objects with a lock are in use elsewhere as well, so
    a measurement does not take them for state of the model."""

    def __init__(self, **lists):
        self.lock = threading.Lock()
        self.__dict__.update(lists)
