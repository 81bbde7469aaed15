"""A function in a process of its own: one backend, one cold start, and a crash or a hang that ends nothing else."""

import contextlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vitbench.system.logs import UserError, log

KILLED = "the process ended with exit code -9"  # what the kernel does when host memory runs out


def run_in_subprocess(function: Callable[..., dict], arguments: tuple, limit_seconds: float) -> dict:
    """What `function` returns in a fresh process; or why it did not: it failed, or took longer than the limit."""
    with _started(function, arguments) as (process, receiver):
        if not receiver.poll(None if limit_seconds == float("inf") else limit_seconds):
            return {"status": "abandoned"}
        return _received(process, receiver)


@contextmanager
def _started(function: Callable, arguments: tuple) -> Iterator[tuple]:
    import psutil

    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    folder = tempfile.TemporaryDirectory(prefix="vitbench-")
    process = context.Process(target=_send, args=(sender, folder.name, function, arguments), daemon=False)
    process.start()
    sender.close()
    try:
        yield process, receiver
    finally:
        if process.is_alive():  # compilers that it started must not go on beside the next measurement
            with contextlib.suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                for child in family:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
        process.join()
        folder.cleanup()  # of what it left, too, if it was killed


def _received(process, receiver) -> dict:
    try:
        found = receiver.recv()
    except EOFError:
        process.join()
        return {"status": "failed", "error": f"the process ended with exit code {process.exitcode}"}
    if isinstance(found, UserError):
        raise found
    return found


def _send(sender, folder: str, function: Callable, arguments: tuple) -> None:
    """What the process does. folder: for its temporary files."""
    os.environ["TMPDIR"] = folder
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sender.send(function(*arguments))
    except UserError as error:
        sender.send(error)
    except Exception as error:
        log.exception("%s failed", function.__name__)
        sender.send({"status": "failed", "error": f"{type(error).__name__}: {_shortened(str(error))}"})


def _shortened(message: str, most: int = 500) -> str:
    """Its beginning and, if it is long, its end, too: some say there what it was that failed."""
    return message if len(message) <= 2 * most else f"{message[:most]} … {message[-most:]}"


def _end_with_parent() -> None:
    """Ends this process when the one that started it is killed, so that it does not go on beside the next job."""
    multiprocessing.parent_process().join()
    os._exit(1)
