"""`python -m gtp`."""

from gtp.cli.main import main

main()
