"""Our shrinkage against scikit-learn's."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from alluse.domain.covariance import ledoit_wolf
from windows import golden_returns, random_returns


@pytest.mark.parametrize("seed", range(20))
def test_random_windows_are_shrunk_alike(seed: int) -> None:
    returns = random_returns(seed, 60 + 20 * seed, 1 + seed)
    ours, theirs = ledoit_wolf(returns), LedoitWolf().fit(returns)
    assert ours.intensity == pytest.approx(theirs.shrinkage_, abs=1e-9)
    assert np.allclose(ours.covariance, theirs.covariance_, rtol=1e-9)


def test_the_golden_window_is_shrunk_alike() -> None:
    theirs = LedoitWolf().fit(golden_returns())
    assert ledoit_wolf(golden_returns()).intensity == pytest.approx(theirs.shrinkage_, rel=1e-9)
