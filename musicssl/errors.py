"""The one exception for what a user can mend."""


class InputError(ValueError):
    """Something given to musicssl is wrong: one sentence that names the cause and the cure.

    The command lines print its message without a traceback and exit with status 2. Anything else
    that is raised is a defect of ours and keeps its traceback.
    """
