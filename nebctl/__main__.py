"""`python -m nebctl`: the same as the command `nebctl`."""

from nebctl.cli import main

main()
