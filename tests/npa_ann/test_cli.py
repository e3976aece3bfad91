"""The command records networks from files, and never runs code from them."""

import subprocess
import sys

import keras
import mne
import numpy as np
import pytest
from keras import layers

from npa_ann import ActivationRecorder
from npa_ann.cli import main
from npa_ann.networks import resnet
from npa_ann.networks.rhythmic import ResonantRNN


@pytest.fixture
def lstm_file(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, 3, name="embedding"),
            layers.LSTM(4, name="lstm"),
            layers.Dense(1, name="out"),
        ]
    )
    model.save(tmp_path / "lstm.keras")
    return tmp_path / "lstm.keras"


@pytest.fixture
def inputs_file(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 9, (5, 12)))
    return tmp_path / "x.npy"


def run(*words):
    return main([str(word) for word in words])


def test_record_writes_what_the_recorder_sees(lstm_file, inputs_file, tmp_path, capsys):
    out = tmp_path / "gates-epo.fif"
    words = ["record", lstm_file, "--layer", "lstm", "--inputs", inputs_file, "-o", out]
    assert run(*words, "--signals", "f", "h", "--sfreq", 2) == 0
    assert "5 epochs, 8 channels, 12 samples at 2 Hz" in capsys.readouterr().out
    epochs = mne.read_epochs(out)
    model = keras.saving.load_model(lstm_file)
    expected = ActivationRecorder(model, "lstm", ("f", "h")).fit_transform(np.load(inputs_file))
    assert epochs.ch_names == expected.ch_names
    assert epochs.info["sfreq"] == 2
    # FIF keeps single precision.
    np.testing.assert_allclose(epochs.get_data(), expected.get_data(), rtol=1e-6)

    assert run(*words) == 1
    assert "exists; choose another folder, or overwrite" in capsys.readouterr().err
    assert run(*words, "--overwrite") == 0


def test_layers_are_listed(lstm_file, tmp_path, capsys):
    assert run("layers", lstm_file) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["layer", "embedding", "lstm", "out"]
    assert lines[2].split("  ")[-1].strip() == "f, i, cc, o, c, c_out, h, output, input"
    resnet(8).save(tmp_path / "resnet.keras")
    assert run("layers", tmp_path / "resnet.keras") == 0
    assert "32 x 32 x 16" in capsys.readouterr().out


def test_layers_used_twice_are_not_listed(tmp_path, capsys):
    start, shared = keras.Input((3,)), layers.Dense(3, name="shared")
    end = layers.Dense(2, name="end")(shared(shared(start)))
    keras.Model(start, end).save(tmp_path / "twice.keras")
    assert run("layers", tmp_path / "twice.keras") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["layer", "end"]


def test_our_own_layers_load(tmp_path):
    model = keras.Sequential([keras.Input((20, 1)), ResonantRNN([10.0, 20.0], name="rings")])
    model.save(tmp_path / "rings.keras")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2, 20, 1)))
    out = tmp_path / "rings-epo.fif"
    code = run(
        "record", tmp_path / "rings.keras", "--layer", "rings", "--signals", "x", "amplitude",
        "--inputs", tmp_path / "x.npy", "-o", out, "--sfreq", 1000,
    )  # fmt: skip
    assert code == 0
    assert mne.read_epochs(out).ch_names == [
        f"rings/{signal}/00{node}" for signal in ("x", "amplitude") for node in (0, 1)
    ]


def test_code_in_a_model_file_is_refused(inputs_file, tmp_path, capsys):
    flag = tmp_path / "ran"
    path = str(flag)

    def attack(x):
        open(path, "w").close()  # noqa: SIM115
        return x

    model = keras.Sequential([keras.Input((12,)), layers.Lambda(attack, name="attack")])
    model.save(tmp_path / "attack.keras")
    flag.unlink(missing_ok=True)
    for words in (
        ["layers", tmp_path / "attack.keras"],
        ["record", tmp_path / "attack.keras", "--layer", "attack", "--inputs", inputs_file,
         "-o", tmp_path / "a-epo.fif"],
    ):  # fmt: skip
        assert run(*words) == 1
        assert "was refused in Keras's safe mode" in capsys.readouterr().err
    assert not flag.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "lsmt"], "layer 'lsmt' is not in the model; it has embedding, lstm, out"),
        (["--layer", "out", "--signals", "f"], "signals ['f'] are not in layer 'out'"),
        (["--layer", "lstm", "--max-memory", "1kB"], "more than max_memory='1kB'"),
        (["--layer", "lstm", "-o", "gates.fif"], "--out must end in -epo.fif"),
        (["--layer", "lstm", "-o", "nowhere/x-epo.fif"], "does not exist"),
        (["--layer", "lstm", "--inputs", "x.csv"], "--inputs must be a .npy file"),
        (["--layer", "lstm", "--inputs", "none.npy"], "No such file"),
    ],
)
def test_bad_arguments_are_named(words, message, lstm_file, inputs_file, tmp_path, capsys):
    common = ["record", lstm_file, "--inputs", inputs_file, "-o", tmp_path / "out-epo.fif"]
    assert run(*common, *words) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.fif"))


def test_bad_files_are_named(lstm_file, inputs_file, tmp_path, capsys):
    (tmp_path / "half.keras").write_bytes(lstm_file.read_bytes()[:500])
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    for words, message in (
        (["layers", tmp_path / "half.keras"], "was refused"),
        (["layers", tmp_path / "none.keras"], "there is no model file"),
        (["layers", tmp_path / "model.h5"], "must be a .keras file"),
        (
            ["record", lstm_file, "--layer", "lstm", "--inputs", tmp_path / "pickled.npy",
             "-o", tmp_path / "out-epo.fif"],
            "allow_pickle=False",
        ),
    ):  # fmt: skip
        assert run(*words) == 1
        assert message in capsys.readouterr().err


def test_help_is_quick_and_light():
    code = (
        "import sys; from npa_ann.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'keras' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "record" in done.stdout
    assert "layers" in done.stdout
