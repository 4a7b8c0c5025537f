"""What all figures share: marks, panels, text, style and files."""
