"""The one error that is the user's to mend."""


class InputError(ValueError):
    """Wrong usage or input. Its message is one line: the thing, the value found, what is right.

    The command line prints it without a traceback and exits with 2.
    """
