"""One HTML page of all stored runs, from a file and without a network.

Read in this order: ``content`` (what the page says, as data), ``boards``, ``user_analysis`` and ``run_facts`` (how
each part follows from the store), ``build`` (all of it together), ``render`` (data and assets to one file).
"""
