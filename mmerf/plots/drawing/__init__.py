"""What all figures share: marks, panels, words, style, files."""
