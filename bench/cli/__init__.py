"""The command line: ``main`` has the group, every other module one subcommand of its name.

A subcommand reads options, calls one of the packages and prints what it returns. ``options`` has what several of them
share. Nothing imports from here.
"""
