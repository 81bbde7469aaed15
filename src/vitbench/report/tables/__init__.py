"""The tables of the report: columns are chosen, seeds are summarised in one row, values are formatted."""
