"""`python -m fedpact.cli`: the command line without the installed script."""

from fedpact.cli.main import main

main()
