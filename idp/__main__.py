"""`python -m idp` is the console script `idp`."""

from idp.cli import main

if __name__ == "__main__":
    main()
