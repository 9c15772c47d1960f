"""What can go wrong, each with an exit code of its own, so that a scheduler knows whom to call.

An `IdentityError` is somebody's to mend (configuration, input, environment): it prints as one line. Anything
else is a bug of ours: it keeps its traceback and exits 1. Messages never carry a value of the data.
"""

from typing import ClassVar


class IdentityError(Exception):
    """Base of every error a user can cause or mend."""

    exit_code: ClassVar[int] = 1


class ConfigError(IdentityError):
    """The configuration is wrong: misspelt key, missing file, value out of bounds."""

    exit_code = 2


class PlatformError(IdentityError):
    """The machine lacks something: Java, the Delta jars, a secret key, a writable warehouse."""

    exit_code = 3


class SourceError(IdentityError):
    """A delivery is not there or cannot be read: missing folder, missing or empty file."""

    exit_code = 4


class ContractError(IdentityError):
    """A delivery or a table does not have the shape its contract promises."""

    exit_code = 5


class ConsentError(IdentityError):
    """A permission or answer code has no mapping, so nobody knows what the customer said."""

    exit_code = 6


class QualityGateError(IdentityError):
    """A quality gate failed; gold stays as it was."""

    exit_code = 7


class LockError(IdentityError):
    """Another run holds the warehouse, or one died while it wrote tables that belong together."""

    exit_code = 8


class RunDateError(IdentityError):
    """The run date lies before a run that is already published, or too far after it for maintenance."""

    exit_code = 9


class ModelError(IdentityError):
    """The Splink model file is missing, or does not fit this version of the software."""

    exit_code = 10


class BlastRadiusError(IdentityError):
    """The run would change more golden ids than the limit; id and gold tables stay as they were."""

    exit_code = 11


class UnknownIdError(IdentityError):
    """The golden id that was asked about was never published in this warehouse."""

    exit_code = 12


class DecisionError(IdentityError):
    """Decisions of persons have faults or contradict each other; none of them was taken."""

    exit_code = 13


class SubjectError(IdentityError):
    """The person a request is about cannot be told: nobody is known by that identifier, or several are."""

    exit_code = 15


class UnknownRecordError(IdentityError):
    """A record or golden id that was asked about stands for nobody today: never delivered, refused or gone."""

    exit_code = 14


class ErasureError(IdentityError):
    """An erasure is not finished, left residue, or cannot tell whom it is about."""

    exit_code = 16


class SuppressionError(IdentityError):
    """None of the identifiers to be lifted is on the suppression list; nothing was changed."""

    exit_code = 18
