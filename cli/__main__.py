"""`python -m cli`: what setup.sh and setup.cmd hand over to."""

from cli.app import main

if __name__ == "__main__":
    main()
