"""The one exception that a user is meant to see."""


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and what to do about it.

    The command line prints it without a traceback and exits with status 2. Everything else that
    escapes is a bug and keeps its traceback.
    """
