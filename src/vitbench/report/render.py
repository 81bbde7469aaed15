"""Renders a report: executes a notebook and converts it to one HTML file that loads nothing."""

import base64
import hashlib
import logging
import tempfile
from pathlib import Path

import nbformat
import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbconvert import HTMLExporter
from traitlets import default

import vitbench
from vitbench.system.files import atomic_write

REPORTS = Path(vitbench.__file__).parent / "reports"  # a link to the top-level folder; in a wheel, a copy of it
KERNEL = "python3"


def render_notebook(notebook: Path, parameters: dict, title: str, ipynb_out: Path, html_out: Path) -> None:
    """Executes `notebook` with `parameters`, in this interpreter and working directory, and converts it.

    The template is the directory `template` beside the notebook. Raises papermill's PapermillExecutionError if a cell
    fails; then neither file is written.
    """
    logging.getLogger("papermill").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        executed = papermill.execute_notebook(
            str(notebook),
            None,
            parameters=parameters,
            kernel_name=KERNEL,
            progress_bar=False,
            kernel_manager_class=_this_interpreter(scratch),
        )
    for key in ("input_path", "output_path"):  # the report must not show the paths of this machine
        executed.metadata.papermill.pop(key, None)
    exporter = HTMLExporter(
        template_name="template",
        extra_template_basedirs=[str(notebook.parent)],
        exclude_input=True,
        exclude_anchor_links=True,
    )
    script = (notebook.parent / "template" / "sortable.min.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    resources = {"metadata": {"name": title}, "script": script, "script_hash": f"sha256-{digest}"}
    html, _ = exporter.from_notebook_node(executed, resources=resources)
    with atomic_write(ipynb_out) as path:
        nbformat.write(executed, path)
    with atomic_write(html_out) as path:
        path.write_text(html, encoding="utf-8")


def _this_interpreter(scratch: str) -> type[AsyncKernelManager]:
    """A manager whose kernel is the running interpreter with this vitbench, whatever kernels are installed."""
    environment = {
        "PYTHONPATH": str(Path(vitbench.__file__).parents[1]),
        "MPLBACKEND": "agg",
        "IPYTHONDIR": scratch,  # no profile, no start-up files, no history
    }
    # What ipykernel says of itself: the command starts with sys.executable.
    specification = KernelSpec(**get_kernel_dict(["--log-level=50"]) | {"env": environment})

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return specification

        # Sockets in a directory that only this user can enter, rather than open ports.
        @default("transport")
        def _transport(self) -> str:
            return "ipc"

        @default("ip")
        def _ip(self) -> str:
            return f"{scratch}/socket"

    return ThisInterpreter
