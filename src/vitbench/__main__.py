from vitbench.cli import app

if __name__ == "__main__":  # a process that `tune` spawns imports this module too
    app(prog_name="vitbench")
