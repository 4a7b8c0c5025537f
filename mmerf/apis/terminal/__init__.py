"""The command line: options, errors of one line, progress, tables."""
