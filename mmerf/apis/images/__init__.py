"""Images of a validation set or a folder, in batches."""
