"""``python -m almond``: the command line without a database."""

import sys

from almond.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
