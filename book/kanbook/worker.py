"""One notebook in one process: `python -m kanbook.worker`, started by `supervise`.

The job comes as one line of JSON on standard input; events go out as lines of JSON on
standard output: `start` and `cell` while it runs, and one `done` at the end. The kernel
is this process's only child, so `RUSAGE_CHILDREN` is the kernel's time and memory.
"""

import contextlib
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, TextIO

KERNEL = "kanbook"


def main() -> None:
    """Read the job, run it, report; end at once when the supervisor is gone."""
    job = json.loads(sys.stdin.readline())
    # Whatever a library prints must not get between the events.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    job["lock"] = str(Path(tempfile.gettempdir(), f"kanbook-start-{os.getuid()}.lock"))
    with tempfile.TemporaryDirectory(prefix="kanbook-") as folder:
        _isolate(Path(folder))
        result = _execute(job, events)
    _send(events, result)


def _end_with_supervisor() -> None:
    """Wait until the supervisor closes our input, then kill the kernel and go."""
    # The raw descriptor: a thread inside sys.stdin would hold its lock at the exit.
    while os.read(0, 4096):
        pass
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(1)


def _isolate(folder: Path) -> None:
    """Keep the reader's own Jupyter and IPython settings out of the chapter.

    A kernel of the name python3 in the home folder would hide this interpreter's, so
    the kernel gets a name and a specification of its own.
    """
    spec = folder / "kernels" / KERNEL
    spec.mkdir(parents=True)
    command = [sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher"]
    command += ["--log-level=ERROR"]
    (spec / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [*command, "-f", "{connection_file}"],
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
            }
        )
    )
    os.environ["JUPYTER_PATH"] = str(folder)
    os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    os.environ["JUPYTER_CONFIG_DIR"] = str(folder / "config")
    os.environ["IPYTHONDIR"] = str(folder / "ipython")


def _send(events: TextIO, event: dict[str, Any]) -> None:
    events.write(json.dumps(event) + "\n")
    events.flush()


class _Watch:
    """Papermill's hooks: report each cell, and let the next kernel start."""

    def __init__(self, events: TextIO, starting: Any) -> None:
        self._events, self._starting = events, starting
        self._begun = 0.0
        self.seconds: dict[str, float] = {}

    def start(self, cell: Any, cell_index: int) -> None:
        self._starting.release()
        self._begun = time.perf_counter()
        _send(self._events, {"event": "start", "index": cell_index})

    def end(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        self.seconds[cell.get("id", str(cell_index))] = round(
            time.perf_counter() - self._begun, 3
        )
        _send(self._events, {"event": "cell", "index": cell_index})


def _keeping_engine(kept: dict[str, Any]) -> Any:
    """Return papermill's engine, holding on to the notebook while it fills."""
    from papermill.engines import NBClientEngine

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *args: Any, **kw: Any) -> Any:
            kept["notebook"] = nb_man.nb
            return super().execute_managed_notebook(nb_man, *args, **kw)

    return Engine


def _execute(job: dict[str, Any], events: TextIO) -> dict[str, Any]:
    """Execute the notebook of `job` and return the `done` event."""
    import filelock
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    kept: dict[str, Any] = {}
    papermill_engines.register(KERNEL, _keeping_engine(kept))
    # Two kernels that start together may choose the same free port.
    starting = filelock.FileLock(Path(job["lock"]))
    watch = _Watch(events, starting)
    status, message = "ok", ""
    try:
        starting.acquire()
        papermill.execute_notebook(
            nbformat.from_dict(job["notebook"]),
            None,
            parameters=job["parameters"],
            engine_name=KERNEL,
            kernel_name=KERNEL,
            language="python",
            cwd=job["folder"],
            progress_bar=False,
            start_timeout=120,
            autosave_cell_every=0,
            on_cell_start=watch.start,
            on_cell_executed=watch.end,
        )
    except PapermillExecutionError as error:
        status, message = "failed", f"{error.ename}: {error.evalue}".rstrip(": ")
    except DeadKernelError:
        status, message = "killed", "the kernel died"
    except Exception as error:
        status, message = "error", f"{type(error).__name__}: {error}"
    finally:
        starting.release(force=True)
    return {
        "event": "done",
        "status": status,
        "message": message,
        "notebook": kept.get("notebook"),
        "cell_seconds": watch.seconds,
        **_usage(),
    }


def _usage() -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Linux counts memory in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / unit, 1),
    }


if __name__ == "__main__":
    main()
