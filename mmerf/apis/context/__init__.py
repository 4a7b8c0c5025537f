"""Config and checkpoint -> context curves, and rankings of attributions.

``run`` measures, ``tables`` and ``write`` tell.
"""
