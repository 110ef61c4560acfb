"""The command line: ``main`` defines the group; subcommands are in modules of the same name.

A subcommand reads options, calls one of the packages and prints the result. ``options`` defines shared options. No
other package imports from here.
"""
