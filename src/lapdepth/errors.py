"""The error tree. Every message says what was got, what was expected and what to do.

Each type also subclasses the builtin that fits, so that callers may catch either.
"""


class LapDepthError(Exception):
    """Base of all errors that the package raises on purpose."""


class InputError(LapDepthError, ValueError):
    """An argument, picture or depth map cannot be used as given."""


class ReadError(LapDepthError, OSError):
    """A file could not be read, or does not hold what its name says."""


class OutputError(LapDepthError, OSError):
    """A result could not be written; nothing half-written is left behind."""


class ConfigError(LapDepthError, ValueError):
    """A configuration has an unknown key or a value out of range."""


class ModelError(LapDepthError, ValueError):
    """A model file is missing parts, damaged, of a newer format or unsafe to load."""


class ModelNotFoundError(ModelError):
    """There is no model of that name."""


class MissingExtraError(LapDepthError, ImportError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        """Say `what` needs the optional dependency group `extra`."""
        super().__init__(f"{what} needs the '{extra}' extra; install it with: pip install 'lapdepth[{extra}]'")
