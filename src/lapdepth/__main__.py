"""`python -m lapdepth` is the command `lapdepth`."""

from lapdepth.cli.main import main

if __name__ == "__main__":
    main()
