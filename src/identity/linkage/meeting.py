"""What comparing a few records would say, without the others: values are as rare as the model remembers."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from identity.linkage.blocking import shared_keys
from identity.linkage.engine import arrow_of
from identity.linkage.frequencies import count_frequencies
from identity.linkage.model import Model
from identity.linkage.pairs import compare, database
from identity.linkage.waterfall import steps_of
from identity.linkage.work import load_fields


class Meeting(NamedTuple):
    """Two records compared.

    Attributes:
        left: Place of the first.
        right: Place of the second.
        keys: Names of the blocking keys that bring them together; without one they are never compared.
        weight: Posterior log2 odds, every value as rare as it was where the model was learnt.
        steps: How it comes about, as `waterfall.steps_of` tells.
    """

    left: int
    right: int
    keys: list[str]
    weight: float
    steps: list[dict[str, Any]]


def best_meeting(fields: pd.DataFrame, first: int, model: Model) -> Meeting:
    """Of the pairs across two groups of records the one for which most speaks; of equals the first.

    Args:
        fields: A row a record, with the columns of `fields.standardise`; the first group, then the second.
        first: How many records the first group has; neither group is empty.
        model: What agreement is worth.
    """
    names = set(fields.columns)
    numbered = fields.assign(unique_id=np.arange(len(fields)), **dict.fromkeys(sorted(model.fields - names)))
    with database() as connection:
        load_fields(connection, arrow_of(numbered))
        connection.execute(
            "create table across as select l.unique_id as join_key_l, r.unique_id as join_key_r "
            "from fields l join fields r on l.unique_id < ? and r.unique_id >= ?",
            [first, first],
        )
        count_frequencies(connection, model.comparisons, model.frequencies)
        pairs = compare(connection, "across", model.comparisons)
        weights = model.weights(pairs)
        best = int(weights.argmax())
        one, other = int(pairs.left[best]), int(pairs.right[best])
        keys = shared_keys(connection, names, one, other)
    of_best = np.array([best])
    steps = steps_of(pairs.where(of_best), weights[of_best], model).to_pylist()[0]
    return Meeting(one, other, keys, float(weights[best]), steps)
