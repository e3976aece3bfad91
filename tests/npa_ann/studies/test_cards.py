"""Cards describe the weights that lie beside them, and no others."""

import pytest

from npa.datasets.bundled import bundled_data
from npa_ann.studies.cards import copy_weights, find_weights, load_card

WEIGHTS = bundled_data() / "weights"


@pytest.mark.parametrize("name", sorted(path.stem for path in WEIGHTS.glob("*.json")))
def test_shipped_weights_are_those_of_their_card(name):
    card = load_card(WEIGHTS, name)
    for entry in card.get("networks", [card]):
        assert find_weights(WEIGHTS, entry).suffix == ".npz"


def test_every_shipped_network_has_a_card():
    cards = [load_card(WEIGHTS, path.stem) for path in WEIGHTS.glob("*.json")]
    described = [entry["file"] for card in cards for entry in card.get("networks", [card])]
    assert sorted(described) == sorted(path.name for path in WEIGHTS.glob("*.npz"))


def test_other_weights_are_refused(tmp_path):
    (tmp_path / "epoch_07.npz").write_bytes(b"numbers")
    entry = copy_weights(tmp_path / "epoch_07.npz", tmp_path, "net_1")
    assert find_weights(tmp_path, entry).read_bytes() == b"numbers"
    (tmp_path / "net_1.npz").write_bytes(b"numbert")
    with pytest.raises(ValueError, match=r"'net_1\.npz' is not the file that its card describes"):
        find_weights(tmp_path, entry)
    (tmp_path / "net_1.npz").unlink()
    with pytest.raises(FileNotFoundError, match="net_1"):
        find_weights(tmp_path, entry)
