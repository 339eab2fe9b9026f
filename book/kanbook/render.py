"""One build in one process: `python -m kanbook.render`, started by `kanbook.build`.

Sphinx changes docutils' global tables and the interpreter's logging, so it gets a
process of its own. The job comes as JSON on standard input; warnings go to standard
error; the exit code says whether the result is whole.
"""

import json
import logging
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any


def main() -> int:
    """Render the job's book and return the exit code."""
    # What libraries deprecate is no fault of the book.
    warnings.simplefilter("ignore")
    # Nor that matplotlib takes another font than the social cards ask for.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    job = json.load(sys.stdin)
    result = _site(job) if job["builder"] == "html" else _edition(job)
    # Sphinx returns the exception that stopped it, and 1 after warnings.
    return 1 if isinstance(result, BaseException) else int(result)


def _site(job: dict[str, Any]) -> int | Exception:
    from jupyter_book.sphinx import build_sphinx

    folder = Path(job["folder"])
    return build_sphinx(
        job["root"],
        folder,
        noconfig=True,
        path_config=Path(job["root"], "_config.yml"),
        confoverrides={
            "external_toc_path": str(Path(job["root"], "_toc.yml")),
            "latex_individualpages": False,
            "kanbook_executed": job["executed"],
            "nitpicky": True,
            **job["settings"],
        },
        doctreedir=folder.with_name("doctrees"),
        freshenv=True,
        warningiserror=job["strict"],
        keep_going=True,
    )


def _edition(job: dict[str, Any]) -> int | Exception:
    """Render for paper: Jupyter Book's configuration without what serves a screen."""
    from jupyter_book.config import get_final_config
    from sphinx.application import Sphinx
    from sphinx.cmd.build import handle_exception
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    from kanbook import print_config

    root, folder = Path(job["root"]), Path(job["folder"])
    config, _ = get_final_config(
        user_yaml=root / "_config.yml",
        cli_config={"latex_individualpages": False},
        sourcedir=root,
    )
    config = print_config.adapted(config, root, folder.with_name("toc.yml"))
    settings = {"kanbook_executed": job["executed"], **job["settings"]}
    try:
        with patch_docutils(None), docutils_namespace():
            app = Sphinx(
                srcdir=root,
                confdir=None,
                outdir=folder,
                doctreedir=folder.with_name("doctrees"),
                buildername=job["builder"],
                confoverrides=config | settings,
                freshenv=True,
                warningiserror=job["strict"],
                keep_going=True,
            )
            app.build()
            return int(app.statuscode)
    except (Exception, KeyboardInterrupt) as error:
        quiet = SimpleNamespace(pdb=False, verbosity=0, traceback=False)
        handle_exception(None, quiet, error, sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
