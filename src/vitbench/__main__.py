"""`python -m vitbench`: the command line."""

from vitbench.cli import app

if __name__ == "__main__":  # processes that vitbench spawns import this module too
    app(prog_name="vitbench")
