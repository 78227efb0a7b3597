"""`python -m dev.lint [PATH …]`: print what breaks our rules; exit 1 if anything does."""

import sys
from collections.abc import Sequence
from pathlib import Path

from dev.lint.engine import lint


def main(arguments: Sequence[str]) -> int:
    """Lint `arguments` (`src` where there are none) and return the exit code: 0, 1, or 2."""
    try:
        findings = lint([Path(argument) for argument in arguments or ("src",)])
    except (OSError, ValueError) as error:
        print(f"dev.lint: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        print(finding)
    if findings:
        print(
            f"{len(findings)} to mend; docs/reference/lint.md explains each rule", file=sys.stderr
        )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
