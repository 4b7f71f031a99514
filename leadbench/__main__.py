"""``python -m leadbench``."""

from leadbench.cli.main import main

if __name__ == "__main__":
    main()
