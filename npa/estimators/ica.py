"""Independent component analysis of filtered samples."""

from typing import Any

import mne
import numpy as np
from mne.utils import warn
from threadpoolctl import threadpool_limits

from npa.typing import FloatArray, RandomState

TOLERANCE = 1e-4  # of the gradient; the components are compared, not subtracted
MIN_VARIANCE_RATIO = 1e-6  # of the principal components, as in MNE


def fit_ica(
    data: FloatArray,
    sfreq: float,
    *,
    n_components: int | float | None,
    method: str,
    random_state: RandomState,
) -> FloatArray:
    """Fit an ICA.

    Parameters
    ----------
    data : array, shape (n_channels, n_samples)
        Filtered samples.
    sfreq : float
        Sampling rate in Hz.
    n_components : int | float | None
        Number of principal components, or the share of variance that they explain together.
    method : str
        ``"picard"`` or ``"infomax"``, in its extended version.
    random_state : int | numpy.random.RandomState | None
        Random start.

    Returns
    -------
    filters : array, shape (n_components, n_channels)
        One row per component, in no particular order.

    Raises
    ------
    ValueError
        If one principal component alone explains ``n_components`` of the variance.

    Examples
    --------
    >>> data = np.array([[1.0, 0.5], [0.5, 1.0]]) @ np.random.default_rng(0).laplace(size=(2, 999))
    >>> fit_ica(data, 100.0, n_components=2, method="picard", random_state=0).shape
    (2, 2)
    """
    fit_params: dict[str, Any] = {"extended": True}
    if method == "picard":
        fit_params |= {"ortho": False, "tol": TOLERANCE}
    ica = mne.preprocessing.ICA(
        n_components=n_components,
        method=method,
        fit_params=fit_params,
        random_state=random_state,
        verbose=False,
    )
    info = mne.create_info([str(row) for row in range(len(data))], sfreq, "eeg", verbose=False)
    raw = mne.io.RawArray(data, info, verbose=False)
    try:
        # The matrices are small: threads cost more than they give. The samples are filtered,
        # of which MNE's warning knows nothing.
        with threadpool_limits(1):
            ica.fit(raw, verbose="ERROR")
    except RuntimeError as error:
        if "One PCA component" not in str(error):
            raise
        raise ValueError(
            f"n_components={n_components!r} of the variance is explained by one "
            "principal component alone; give a larger share, or a whole number of at "
            "least 2, and look for a channel that outweighs all others."
        ) from error
    kept = ica.pca_components_[: ica.n_components_]
    variances = ica.pca_explained_variance_[: ica.n_components_]
    if variances[-1] < MIN_VARIANCE_RATIO * variances[0]:
        n_stable = int((variances >= MIN_VARIANCE_RATIO * variances[0]).sum())
        warn(
            f"The ICA has an unstable mixing matrix: of {len(variances)} principal components, "
            f"{len(variances) - n_stable} hold next to no variance (bridged, interpolated or "
            f"re-referenced channels). Give n_components of at most {n_stable}."
        )
    return np.asarray(ica.unmixing_matrix_ @ kept / ica.pre_whitener_.T)
