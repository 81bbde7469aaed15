"""What is said when data cannot be used."""

from vitbench.progress import UserError


class DataError(UserError):
    """The data is not there, or not what it should be; one sentence names the file or array and what would be right."""
