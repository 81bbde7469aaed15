"""The public layout of results: paths, tables and their columns, and the records of jobs."""
