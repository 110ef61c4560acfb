"""What a run tells about its progress: its state, and its lines in a log, a worker's log or a notebook.

The displays of the command line are in :mod:`bench.cli.progress`.
"""
