"""A pipeline file is read, or the unknown name is reported."""

import re

import pytest
from sklearn.pipeline import make_pipeline

from npa import FOOOFFitter, LineNoiseRemover, NeuralPowerAmplifier, PSDExponent
from npa.batch import read_pipeline
from npa.workflows.batch.pipeline_file import read_channels, with_freq_range

GOOD = """
# slopes of the amplified signal
steps:
  - LineNoiseRemover: {freqs: [50, 100]}
  - BlinkICARemover
  - NeuralPowerAmplifier:
      response: whitening
      fooof:
        FOOOFFitter: {freq_range: [2, 40]}
  - FOOOFFitter:
"""


@pytest.fixture
def write(tmp_path):
    """Write text to a file, and return its path."""

    def write(text):
        path = tmp_path / "pipeline.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_steps_and_parameters_are_read(write):
    pipeline = read_pipeline(write(GOOD))
    assert list(pipeline.named_steps) == [
        "linenoiseremover",
        "blinkicaremover",
        "neuralpoweramplifier",
        "foooffitter",
    ]
    assert pipeline[0].freqs == [50, 100]
    assert isinstance(pipeline[2], NeuralPowerAmplifier)
    assert pipeline[2].response == "whitening"
    assert isinstance(pipeline[2].fooof, FOOOFFitter)
    assert pipeline[2].fooof.freq_range == [2, 40]
    assert pipeline[3].freq_range == (1, 45)  # the default


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step: [PSDExponent]", "a pipeline has no key 'step'; the nearest is 'steps'"),
        ("steps: [FooofFiter]", "no estimator 'FooofFiter'; the nearest is 'FOOOFFitter'"),
        ("steps: [blinkremover]", "no estimator 'blinkremover'; the nearest is 'BlinkICARemover'"),
        (
            "steps: [{PSDExponent: {f_range: 2}}]",
            "PSDExponent has no parameter 'f_range'; the nearest is 'freq_range'",
        ),
        (
            "steps: [{NeuralPowerAmplifier: {fooof: {FOOOFFitter: {range: 1}}}}]",
            "FOOOFFitter has no parameter 'range'; the nearest is 'freq_range'",
        ),
        ("steps: [{PSDExponent: 3}]", "PSDExponent needs a mapping of parameters to values, got 3"),
        ("steps: [{1: {}}]", "a step is the name of an estimator"),
        ("steps: [3]", "a step is the name of an estimator"),
        ("steps: [{PSDExponent: {}, FOOOFFitter: {}}]", "a step is the name of an estimator"),
        ("steps: []", "'steps' must be a list of at least one estimator, got []"),
        ("steps: PSDExponent", "'steps' must be a list of at least one estimator"),
        ("- PSDExponent", "a pipeline is a mapping with the key 'steps'"),
        ("", "a pipeline is a mapping with the key 'steps'"),
        ("steps: [", "is not YAML that can be read safely"),
        ("steps: [!!python/object/apply:os.getcwd []]", "is not YAML that can be read safely"),
    ],
)
def test_unknown_names_are_refused(write, text, message):
    with pytest.raises(ValueError, match=rf"pipeline\.yaml.*{re.escape(message)}"):
        read_pipeline(write(text))


def test_bytes_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "pipeline.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is not YAML"):
        read_pipeline(tmp_path / "pipeline.yaml")
    with pytest.raises(FileNotFoundError):
        read_pipeline(tmp_path / "missing.yaml")


def test_channels_are_read_and_checked(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("channels: {exclude: Cz, types: {A: eog}, bads: [auto], picks: []}\nsteps: []")
    assert read_channels(path) == {"exclude": ["Cz"], "types": {"A": "eog"}, "bads": ["auto"]}
    for text, message in [
        ("{pick: Cz}", "a key of channels must be one of"),
        ("[Cz]", "channels must be None or a dict"),
        ("{exclude: 3}", r"channels\['exclude'\] must be a list of names, got 3"),
        ("{types: [Cz]}", r"channels\['types'\] must map names"),
    ]:
        path.write_text(f"channels: {text}\nsteps: [PSDExponent]")
        with pytest.raises((TypeError, ValueError), match=f"p.yaml: {message}"):
            read_channels(path)


def test_frequency_range_is_that_of_every_fit():
    steps = [LineNoiseRemover(), NeuralPowerAmplifier(), PSDExponent((2, 40))]
    pipeline = with_freq_range(make_pipeline(*steps), [3, 30])
    assert pipeline[1].fooof.freq_range == (3, 30) == pipeline[2].freq_range
    with pytest.raises(ValueError, match="freq_range=.* needs a step that fits a spectrum"):
        with_freq_range(make_pipeline(LineNoiseRemover()), (3, 30))
