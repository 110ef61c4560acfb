"""``python -m bench``: the command line without an installed ``bench`` command."""

from bench.cli.main import main

if __name__ == "__main__":
    main()
