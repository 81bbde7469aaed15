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
from vitbench.report.html import backend_css
from vitbench.system.files import atomic_write
from vitbench.system.scratch import scratch_folder

# The notebooks and the template. In the source tree it is a link to reports/ at the top level; a wheel holds a copy.
REPORTS = Path(vitbench.__file__).parent / "reports"
KERNEL = "python3"


def render_notebook(notebook: Path, parameters: dict, title: str, ipynb_out: Path, html_out: Path) -> None:
    """Executes `notebook` with `parameters` in this interpreter and working directory, and converts it to HTML.

    The template is the directory `template` beside the notebook. Raises papermill's PapermillExecutionError if a cell
    fails; then neither file is written.
    """
    logging.getLogger("papermill").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as scratch:
        executed = papermill.execute_notebook(
            str(notebook),
            None,
            parameters=parameters,
            kernel_name=KERNEL,
            progress_bar=False,
            kernel_manager_class=_kernel_manager(scratch),
        )
    for key in ("input_path", "output_path"):  # the report must not reveal paths of this machine
        executed.metadata.papermill.pop(key, None)
    html = _convert(executed, title, notebook.parent / "template")
    with atomic_write(ipynb_out) as path:
        nbformat.write(executed, path)
    with atomic_write(html_out) as path:
        path.write_text(html, encoding="utf-8")


def _convert(executed: nbformat.NotebookNode, title: str, template: Path) -> str:
    exporter = HTMLExporter(
        template_name=template.name,
        extra_template_basedirs=[str(template.parent)],
        exclude_input=True,
        exclude_anchor_links=True,
    )
    script = (template / "sortable.min.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    resources = {
        "metadata": {"name": title},
        "backend_css": backend_css(),
        "script": script,
        "script_hash": f"sha256-{digest}",  # the only script that the page's content security policy allows
    }
    html, _ = exporter.from_notebook_node(executed, resources=resources)
    return html


def _kernel_manager(scratch: str) -> type[AsyncKernelManager]:
    """A manager whose kernel is this interpreter with this vitbench, whatever kernels are installed."""
    environment = {
        "PYTHONPATH": str(Path(vitbench.__file__).parents[1]),
        "MPLBACKEND": "agg",
        "IPYTHONDIR": scratch,  # no profile, no start-up files, no history
    }
    # ipykernel's own specification: its command starts with sys.executable.
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
