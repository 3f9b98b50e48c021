"""The one error that users are meant to read."""


class SerError(Exception):
    """Something the user can mend. The message is one or two lines: what is wrong, and what to do."""
