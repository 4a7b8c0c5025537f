"""What an ERF is and how it is measured; knows nothing of OpenMMLab.

``measure.measure_erf`` is the way in, ``measurement.Measurement`` the heart.
May import: nothing else of mmerf but its ``version``.
"""
