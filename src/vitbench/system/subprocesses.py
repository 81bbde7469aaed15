"""Runs a function in a process of its own, so that it starts its own backend and may crash or hang alone."""

import contextlib
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitbench.system.logs import UserError, log
from vitbench.system.scratch import scratch_folder, use_folder

KILLED = "the process ended with exit code -9"  # SIGKILL, which Linux sends when host memory runs out


def run_in_subprocess(function: Callable[..., dict], arguments: tuple, limit_seconds: float) -> dict:
    """Calls `function` in a fresh process and returns its result, a dictionary with the key `status`.

    If the function raises an exception or the process ends early, the status is "failed" and `error` says why. If the
    function takes longer than `limit_seconds`, the status is "abandoned", and the process and its descendants are
    killed. Raises UserError if the function does.

    The process has a temporary directory of its own, which is removed when it ends. It ends if this process is killed.
    """
    with _start_process(function, arguments) as (process, receiver):
        if not receiver.poll(None if limit_seconds == float("inf") else limit_seconds):
            return {"status": "abandoned"}
        return _receive(process, receiver)


@contextmanager
def _start_process(function: Callable, arguments: tuple) -> Iterator[tuple]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    # The folder is removed with the scratch folder if this process is killed, or if a file in it is still in use.
    with tempfile.TemporaryDirectory(dir=scratch_folder(), ignore_cleanup_errors=True) as folder:
        process = context.Process(target=_call, args=(sender, folder, function, arguments), daemon=False)
        process.start()
        sender.close()
        try:
            yield process, receiver
        finally:
            if process.is_alive():
                _kill_with_descendants(process)
            process.join()


def _kill_with_descendants(process) -> None:
    """Kills the process and its descendants: compilers that it started must not run beside the next measurement."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def _receive(process, receiver) -> dict:
    try:
        outcome = receiver.recv()
    except EOFError:
        process.join()
        return {"status": "failed", "error": f"the process ended with exit code {process.exitcode}"}
    if isinstance(outcome, UserError):
        raise outcome
    return outcome


def _call(sender, folder: str, function: Callable, arguments: tuple) -> None:
    """Runs in the new process. folder: its temporary directory."""
    use_folder(Path(folder))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        sender.send(function(*arguments))
    except UserError as error:
        sender.send(error)
    except Exception as error:
        log.exception("%s failed", function.__name__)
        sender.send({"status": "failed", "error": f"{type(error).__name__}: {_abbreviate(str(error))}"})


def _abbreviate(message: str, length: int = 500) -> str:
    """The start and the end of a long message, because some messages name the cause at the end."""
    return message if len(message) <= 2 * length else f"{message[:length]} … {message[-length:]}"


def _end_with_parent() -> None:
    """Ends this process when its parent has ended, so that it does not run beside the next job."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
