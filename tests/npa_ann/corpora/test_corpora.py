"""The IMDb reader on small archives in the published layout, intact and damaged."""

import tarfile

import numpy as np
import pytest
from written_tar import write_tar

from npa_ann.corpora import (
    build_vocabulary,
    encode,
    find_corpus,
    iter_members,
    read_imdb,
    split_indices,
    tokenize,
)

REVIEWS = {
    "aclImdb/train/pos/0_9.txt": "A fine, fine film!<br /><br />Don't miss it.",
    "aclImdb/train/neg/0_3.txt": "Dull plot; dull film.",
    "aclImdb/test/pos/1_10.txt": "Père Noël: superb",
    "aclImdb/test/neg/1_1.txt": "It's AWFUL",
}
EXTRAS = {
    "aclImdb/README": "about",
    "aclImdb/imdb.vocab": "the\nand",
    "aclImdb/train/urls_pos.txt": "http://example.org",
    "aclImdb/train/unsup/0_0.txt": "no label",
}


def write_folder(path, members):
    for name, text in members.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def archive(tmp_path):
    return write_tar(tmp_path / "aclImdb_v1.tar.gz", (REVIEWS | EXTRAS).items())


def write_with_extra(tmp_path, name, text):
    return write_tar(tmp_path / "aclImdb_v1.tar.gz", [*REVIEWS.items(), (name, text)])


def test_reads_texts_and_labels_in_the_order_of_the_layout(archive):
    texts, labels = read_imdb(archive)
    assert texts == [REVIEWS[name] for name in sorted(REVIEWS)]
    assert labels.tolist() == [0, 1, 0, 1]


def test_archive_folder_and_their_parents_give_the_same(archive, tmp_path, monkeypatch):
    expected = read_imdb(archive)
    folder = write_folder(tmp_path / "unpacked", REVIEWS | EXTRAS)
    data = tmp_path / "data"
    (data / "text").mkdir(parents=True)
    (data / "text" / archive.name).write_bytes(archive.read_bytes())
    monkeypatch.setenv("NPA_DATA", str(data))
    for path in (tmp_path, folder, folder / "aclImdb", data, None):
        texts, labels = read_imdb(path)
        assert texts == expected[0]
        assert labels.tolist() == expected[1].tolist()


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:xz"])
def test_reads_other_compressions_and_any_order(archive, tmp_path, mode):
    other = write_tar(tmp_path / "other.tar", reversed(REVIEWS.items()), mode)
    assert read_imdb(other)[0] == read_imdb(archive)[0]


def test_reading_leaves_nothing_behind(archive, tmp_path):
    before = sorted(tmp_path.rglob("*")), archive.read_bytes()
    read_imdb(archive)
    assert (sorted(tmp_path.rglob("*")), archive.read_bytes()) == before


def test_members_are_read_one_by_one(archive, monkeypatch):
    monkeypatch.setattr(tarfile.TarFile, "extractall", None)
    monkeypatch.setattr(tarfile.TarFile, "extract", None)
    name, content = next(iter_members(archive))
    assert (name, content.decode()) == next(iter(REVIEWS.items()))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("aclImdb/train/pos/7_3.txt", "good", r"train/pos/7_3\.txt' has rating 3; 'pos' allows 7"),
        ("aclImdb/train/neg/7_5.txt", "bad", r"train/neg/7_5\.txt' has rating 5; 'neg' allows 1"),
        ("aclImdb/train/good/7_9.txt", "good", r"train/good/7_9\.txt' has an unknown label"),
        ("aclImdb/test/pos/seven.txt", "good", r"test/pos/seven\.txt' must be named"),
        ("aclImdb/test/pos/7_9.txt", "", r"test/pos/7_9\.txt' is empty"),
        ("aclImdb/test/pos/7_9.txt", " <br />...\n", r"test/pos/7_9\.txt' is empty"),
        ("aclImdb/test/pos/7_9.txt", b"\xff\xfe", r"test/pos/7_9\.txt' is not UTF-8"),
        ("aclImdb/test/neg/1_1.txt", "again", r"test/neg/1_1\.txt' is in .* twice"),
        ("aclImdb/../../stolen.txt", "x", r"stolen\.txt' of .* would escape"),
        ("/etc/stolen.txt", "x", r"/etc/stolen\.txt' of .* would escape"),
    ],
)
def test_refuses_bad_members_by_name(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read_imdb(write_with_extra(tmp_path, name, text))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_refuses_links_in_an_archive(tmp_path, kind):
    path = tmp_path / "linked.tar"
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("aclImdb/train/pos/0_9.txt")
        entry.type, entry.linkname = kind, "/etc/hostname"
        archive.addfile(entry)
    with pytest.raises(ValueError, match=r"pos/0_9\.txt' of 'linked\.tar' is a link"):
        read_imdb(path)


def test_refuses_links_that_leave_the_folder(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    folder = write_folder(tmp_path / "corpus", REVIEWS)
    (folder / "aclImdb/train/pos/5_9.txt").symlink_to(secret)
    with pytest.raises(ValueError, match=r"pos/5_9\.txt' .* link to outside"):
        read_imdb(folder)


def test_refuses_damaged_archives(tmp_path):
    rng = np.random.default_rng(0)
    noise = "".join(rng.choice(list("abcdefgh "), size=20_000))
    whole = write_tar(tmp_path / "whole.tar.gz", [*REVIEWS.items(), ("big.txt", noise)])
    content = whole.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2 : len(content) // 2 + 40] = b"\0" * 40
    plain = write_tar(tmp_path / "plain.tar", REVIEWS.items(), "w").read_bytes()
    header = plain[:2048] + b"junk" * 128 + plain[2560:]
    damaged = [b"", b"no archive at all", bytes(flipped), header, plain[:1024], plain[:1500]]
    damaged += [content[: int(share * len(content))] for share in (0.02, 0.5, 0.999)]
    path = tmp_path / "damaged.tar.gz"
    for damage in damaged:
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"'damaged\.tar\.gz' is damaged"):
            read_imdb(path)


@pytest.mark.parametrize("label", ["pos", "neg"])
def test_refuses_a_corpus_without_one_label(tmp_path, label):
    kept = {name: text for name, text in REVIEWS.items() if f"/{label}/" in name}
    path = write_tar(tmp_path / "half.tar.gz", kept.items())
    with pytest.raises(ValueError, match=r"must contain positive and negative reviews .* 2 review"):
        read_imdb(path)


def test_refuses_a_folder_without_reviews_and_a_missing_one(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="must contain positive and negative reviews"):
        read_imdb(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_imdb(tmp_path / "nowhere")
    monkeypatch.delenv("NPA_DATA", raising=False)
    with pytest.raises(ValueError, match="set NPA_DATA"):
        find_corpus(None, ["corpus.tar"])


def test_words_are_lower_case_without_punctuation_or_markup():
    text = REVIEWS["aclImdb/train/pos/0_9.txt"] + " «Well-made»... snake_case, Père"
    assert tokenize(text) == (
        "a fine fine film dont miss it wellmade snakecase père".split()  # noqa: SIM905
    )


def test_vocabulary_ranks_by_frequency_then_alphabet():
    assert build_vocabulary(["b a c", "c d"], size=3) == ["", "[UNK]", "c", "a", "b"]
    assert build_vocabulary(["b a c"]) == ["", "[UNK]", "a", "b", "c"]
    with pytest.raises(ValueError, match="size"):
        build_vocabulary(["a"], size=0)


def test_encoding_numbers_pads_and_crops():
    words = ["", "[UNK]", "a", "film"]
    tokens, n_words = encode(["a film", "a new film, a plot"], words, length=3)
    np.testing.assert_array_equal(tokens, [[0, 2, 3], [2, 1, 3]])
    assert n_words.tolist() == [2, 5]
    tokens, _ = encode(["a film"], words, length=3, padding="post")
    np.testing.assert_array_equal(tokens, [[2, 3, 0]])
    with pytest.raises(ValueError, match="padding"):
        encode(["a"], words, padding="both")
    with pytest.raises(ValueError, match="length"):
        encode(["a"], words, length=0)
    with pytest.raises(ValueError, match="vocabulary must start"):
        encode(["a"], ["a", "film"])


def test_split_is_stratified_seeded_and_complete():
    labels = np.repeat([0, 1], [40, 60])
    train, test = split_indices(labels, test_size=30, random_state=1)
    assert sorted([*train, *test]) == list(range(100))
    assert np.bincount(labels[test]).tolist() == [12, 18]
    again = split_indices(labels, test_size=30, random_state=1)[1]
    other = split_indices(labels, test_size=30, random_state=2)[1]
    np.testing.assert_array_equal(test, again)
    assert not np.array_equal(test, other)


def test_the_published_reviews(data_dir):
    texts, labels = read_imdb(data_dir)
    assert len(texts) == 50_000
    assert np.bincount(labels).tolist() == [25_000, 25_000]
    train, test = split_indices(labels, test_size=15_000)
    assert (len(train), len(test)) == (35_000, 15_000)
    assert labels[test].sum() == 7_500
    vocabulary = build_vocabulary([texts[row] for row in train])
    assert len(vocabulary) == 4_002
    assert vocabulary[2:7] == ["the", "and", "a", "of", "to"]
