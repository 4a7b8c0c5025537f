"""What tests share; imported as ``helpers.<module>``."""
