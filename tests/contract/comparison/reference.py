"""`python -m tests.contract.comparison.reference FOLDER CASES`: runs compiled pipelines by `kfp.local`; prints what each gives as JSON."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def main(folder: Path, cases: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Pipeline → its outputs below `outputs`, or its fault below `fault`; `cases` are the arguments of each."""
    from kfp import components, local

    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(folder / "root"), raise_on_error=True)
    results: dict[str, dict[str, Any]] = {}
    for name, arguments in cases.items():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                task = components.load_component_from_file(str(folder / f"{name}.yaml"))(**arguments)
                results[name] = {"outputs": task.outputs}
            except Exception as error:
                # Whatever goes wrong in one pipeline is the answer about that one.
                results[name] = {"fault": f"{type(error).__name__}: {error}"[:500]}
    return results


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
    Path(sys.argv[3]).write_text(json.dumps(found, default=str))
