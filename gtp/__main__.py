"""`python -m gtp`."""

from gtp.cli import main

main()
