"""Cards describe the weights that are beside them, and no others."""

import pytest

from npa.datasets.bundled import bundled_data
from npa_ann.networks.cards import find_weights, list_networks, read_card, write_card

WEIGHTS = bundled_data() / "weights"


@pytest.mark.parametrize("name", sorted(path.stem for path in WEIGHTS.glob("*.json")))
def test_shipped_weights_are_those_of_their_card(name):
    for entry in read_card(WEIGHTS, name)["networks"]:
        assert find_weights(WEIGHTS, entry).suffix == ".npz"


def test_every_shipped_network_has_a_card():
    described = [entry["file"] for _, entry in list_networks(WEIGHTS).values()]
    assert sorted(described) == sorted(path.name for path in WEIGHTS.glob("*.npz"))


def test_other_weights_are_refused(tmp_path):
    (tmp_path / "epoch_07.npz").write_bytes(b"numbers")
    weights = tmp_path / "epoch_07.npz"
    card = write_card(tmp_path, "net", [("net_1", weights, {"seed": 1})], licence="BSD-3-Clause")
    assert read_card(tmp_path, "net") == card
    assert list_networks(tmp_path)["net_1"] == ("net", card["networks"][0])
    assert find_weights(tmp_path, card["networks"][0]).read_bytes() == b"numbers"
    (tmp_path / "net_1.npz").write_bytes(b"numbert")
    with pytest.raises(ValueError, match=r"'net_1\.npz' is not the file that its card describes"):
        find_weights(tmp_path, card["networks"][0])
    (tmp_path / "net_1.npz").unlink()
    with pytest.raises(FileNotFoundError, match="net_1"):
        find_weights(tmp_path, card["networks"][0])
    with pytest.raises(FileNotFoundError, match="no trained networks 'other'"):
        read_card(tmp_path, "other")
