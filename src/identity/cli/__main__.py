"""`python -m identity.cli`, for where the installed script is not on the path."""

from identity.cli import main

main()
