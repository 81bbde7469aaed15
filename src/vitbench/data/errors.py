"""What is said when data cannot be used."""

from vitbench.system.logs import UserError


class DataError(UserError):
    """The data is not there, or not what it should be; one sentence names the file or array and what would be right."""

    def __init__(self, sentence: str):
        super().__init__(" ".join(sentence.splitlines()))  # names in damaged files, and libraries' errors, have breaks


def error_text(error: Exception) -> str:
    """What `error` says, or its kind if it says nothing."""
    return str(error) or type(error).__name__
