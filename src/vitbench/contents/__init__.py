"""What each table of the report holds: columns chosen, seeds gathered into one row, values written for readers."""
