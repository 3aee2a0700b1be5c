"""Write tests/dose/figures.json: what the estimator says of made-up runs, under its present name."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nebctl.core.dose import NAME
from tests.dose.told import FIGURES, all_told


def main() -> None:
    """Write the figures, one run a line."""
    runs = ",\n".join(f"{json.dumps(name)}: {json.dumps(told)}" for name, told in all_told().items())
    FIGURES.write_text(f'{{"estimator": {json.dumps(NAME)}, "runs": {{\n{runs}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main()
