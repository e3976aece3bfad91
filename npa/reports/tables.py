"""Long tables, from arrays and from wide tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


def long_table(
    levels: Mapping[str, Iterable[object]], columns: Mapping[str, npt.ArrayLike]
) -> pd.DataFrame:
    """Return a table with one row per combination of levels.

    Parameters
    ----------
    levels : dict
        Name to values of each level; the last one varies fastest.
    columns : dict
        Name to values of each further column, one axis per level (in order).

    Returns
    -------
    table : pandas.DataFrame
        The levels, then the columns.

    Examples
    --------
    >>> long_table({"epoch": [0, 1], "channel": ["Fz", "Oz"]}, {"snr": [[1, 2], [3, 4]]})
       epoch channel  snr
    0      0      Fz    1
    1      0      Oz    2
    2      1      Fz    3
    3      1      Oz    4
    """
    import pandas as pd

    index = pd.MultiIndex.from_product(levels.values(), names=list(levels))
    values = {name: np.ravel(value) for name, value in columns.items()}
    return index.to_frame(index=False).assign(**values)


def by_channel(table: pd.DataFrame, ch_names: Iterable[str]) -> pd.DataFrame:
    """Turn columns ``Oz_exponent``, ``Oz_offset``, ... into one row per channel (and epoch).

    Parameters
    ----------
    table : pandas.DataFrame
        One row per epoch, with the same measures of each channel, channel after channel.
    ch_names : iterable of str
        Channels, or groups of channels.

    Returns
    -------
    table : pandas.DataFrame
        Indexed by ``channel``, one column per measure; the input if its columns are not of this
        form.

    Examples
    --------
    >>> import pandas as pd
    >>> by_channel(pd.DataFrame({"Fz_snr": [1.0], "Oz_snr": [2.0]}), ["Fz", "Oz"])
             snr
    channel
    Fz       1.0
    Oz       2.0
    """
    import pandas as pd

    channels, columns = list(ch_names), list(table.columns)
    if not channels:
        return table
    first = columns[: len(columns) // len(channels)]
    measures = [name.removeprefix(f"{channels[0]}_") for name in first]
    if columns != [f"{channel}_{measure}" for channel in channels for measure in measures]:
        return table
    rows = table.to_numpy().reshape(-1, len(measures))
    index = pd.Index(channels * len(table), name="channel")
    return pd.DataFrame(rows, index=index, columns=measures)
