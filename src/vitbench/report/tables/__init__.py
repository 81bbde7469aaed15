"""The tables of the report. They select columns, combine seeds into one row and format values."""
