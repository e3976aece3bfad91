"""Fetching from a server on the loopback interface, without a network."""

import hashlib
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pooch
import pytest
from loopback_server import WAIT, Server
from written_tar import write_tar

from npa.datasets import fetch, fetching, find_copies, list_datasets

ONE = bytes(range(256)) * 400
TWO = b"second file"
REVIEWS = {"corpus/pos/0_9.txt": b"Lovely.", "corpus/neg/0_2.txt": b"Dull."}
INSTEAD = "simulate_recording() makes one"


def snapshot(folder):
    """Every path below a folder with its bytes and time of change."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def files_below(folder):
    """Names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def server():
    """A server on a free port of the loopback interface."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.resume.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no own copies."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NPA_CACHE", str(folder))
    monkeypatch.delenv("NPA_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "_RETRIES", 0)
    return folder


@pytest.fixture
def publish(server, cache, tmp_path, monkeypatch):
    """Publish contents on the server and write a registry that lists them."""
    monkeypatch.setattr(fetching, "bundled_data", lambda: tmp_path)

    def publish(name, content, copies=()):
        server.content.update(content)
        lines = [f"[{name}]", f'instead = "{INSTEAD}"', f"copies = {[list(c) for c in copies]}"]
        for file, body in content.items():
            sha256 = hashlib.sha256(body).hexdigest()
            lines += [f"[[{name}.files]]", f'url = "{server.url}{file}"']
            lines += [f"size = {len(body)}", f'sha256 = "{sha256}"']
        (tmp_path / "registry.toml").write_text("\n".join(lines))

    return publish


@pytest.fixture
def pair(publish):
    """Publish a data set of two files."""
    publish("pair", {"one.bin": ONE, "two.bin": TWO}, copies=[["both"]])


@pytest.fixture
def reviews(publish, tmp_path_factory):
    """Publish a data set of one archive."""
    archive = write_tar(tmp_path_factory.mktemp("made") / "reviews.tar.gz", REVIEWS.items())
    publish("reviews", {archive.name: archive.read_bytes()}, copies=[["corpus"]])


# Downloads and the cache -------------------------------------------------------------------------


def test_download_goes_to_the_cache(pair, cache, server):
    folder = fetch("pair")
    assert folder == cache / "pair"
    assert (folder / "one.bin").read_bytes() == ONE
    assert (folder / "two.bin").read_bytes() == TWO
    assert files_below(cache) == ["one.bin", "two.bin"]
    assert server.requests == ["one.bin", "two.bin"]


def test_cached_files_need_no_request(pair, cache, server):
    fetch("pair")
    server.requests.clear()
    before = snapshot(cache)
    assert fetch("pair") == cache / "pair"
    assert server.requests == []
    assert snapshot(cache) == before


def test_only_the_missing_file_is_requested(pair, server):
    (fetch("pair") / "two.bin").unlink()
    server.requests.clear()
    fetch("pair")
    assert server.requests == ["two.bin"]


@pytest.mark.parametrize("damage", [ONE[:-1], ONE[:-1] + b"x", b""])
def test_damaged_cached_file_is_replaced(pair, server, damage):
    file = fetch("pair") / "one.bin"
    file.write_bytes(damage)
    server.requests.clear()
    fetch("pair")
    assert server.requests == ["one.bin"]
    assert file.read_bytes() == ONE


def test_damaged_cached_file_is_never_used(pair, server):
    file = fetch("pair") / "one.bin"
    file.write_bytes(ONE[:-1])
    del server.content["one.bin"]
    with pytest.raises(OSError, match=r"one\.bin .*missing or damaged"):
        fetch("pair")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("truncated", "IncompleteRead"), ("short", "does not match"), ("wrong", "does not match")],
)
def test_broken_download_leaves_nothing(pair, cache, server, fault, reason):
    server.faults["one.bin"] = [fault]
    with pytest.raises(OSError, match=reason):
        fetch("pair")
    assert files_below(cache) == []


def test_missing_page_leaves_nothing(pair, cache, server):
    del server.content["one.bin"]
    with pytest.raises(OSError, match="404"):
        fetch("pair")
    assert files_below(cache) == []


def test_stalled_download_times_out(pair, cache, server):
    server.faults["one.bin"] = ["pause"]
    start = time.monotonic()
    with pytest.raises(OSError, match="timed out"):
        fetch("pair", timeout=0.2)
    assert time.monotonic() - start < WAIT / 2
    assert files_below(cache) == []


def test_transient_failure_is_retried(pair, server, monkeypatch):
    monkeypatch.setattr(fetching, "_RETRIES", 1)
    server.faults["one.bin"] = ["truncated"]
    assert (fetch("pair") / "one.bin").read_bytes() == ONE
    assert server.requests == ["one.bin", "one.bin", "two.bin"]


def test_file_appears_only_when_complete(pair, cache, server):
    server.faults["one.bin"] = ["pause"]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fetch, "pair")
        assert server.halfway.wait(WAIT)
        assert not (cache / "pair" / "one.bin").exists()
        server.resume.set()
        assert (done.result(WAIT) / "one.bin").read_bytes() == ONE


def test_no_network_names_what_is_missing(publish, server, cache):
    publish("pair", {"one.bin": ONE})
    server.url = "http://127.0.0.1:1/"
    publish("pair", {"one.bin": ONE})
    with pytest.raises(OSError, match="one.bin") as caught:
        fetch("pair")
    for part in ("102,400 bytes", "http://127.0.0.1:1/one.bin", INSTEAD, "NPA_DATA", str(cache)):
        assert part in str(caught.value)


def test_default_cache_is_the_users(pair, tmp_path, monkeypatch):
    monkeypatch.delenv("NPA_CACHE")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "home" / project)
    assert fetch("pair") == tmp_path / "home" / "npa" / "pair"


def test_cache_that_cannot_be_a_folder(pair, cache, server):
    cache.write_text("a file where the cache should be")
    with pytest.raises(OSError, match=r"cannot be written.*NPA_CACHE"):
        fetch("pair")
    assert server.requests == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_read_only_cache(pair, cache, server):
    fetch("pair")
    folder = cache / "pair"
    folder.chmod(0o555)
    try:
        assert fetch("pair") == folder
        (folder / "two.bin").chmod(0o600)
        (folder / "two.bin").write_bytes(b"broken")
        with pytest.raises(OSError, match=r"cannot be written.*NPA_CACHE"):
            fetch("pair")
    finally:
        folder.chmod(0o755)


def test_archive_is_unpacked(reviews, cache, server):
    folder = fetch("reviews")
    assert folder.is_relative_to(cache)
    assert {name: (folder / name).read_bytes() for name in REVIEWS} == REVIEWS
    assert files_below(cache) == [".npa-unpacked", "0_2.txt", "0_9.txt", "reviews.tar.gz"]


def test_archive_is_unpacked_once(reviews, cache, server):
    fetch("reviews")
    server.requests.clear()
    before = snapshot(cache)
    assert fetch("reviews").is_dir()
    assert (server.requests, snapshot(cache)) == ([], before)


# The user's own copies ---------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of the user's own copies, which differ from the published files."""
    folder = tmp_path / "own"
    for name in ("b/one.bin", "b/two.bin", "a/one.bin", "c/one.bin", "c/two.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"mine")
    monkeypatch.setenv("NPA_DATA", str(folder))
    return folder


def test_own_copies_come_first_and_are_neither_hashed_nor_written(
    cache, pair, own, server, monkeypatch
):
    fetched = {"cache": cache / "pair" / "one.bin"}
    fetched["cache"].parent.mkdir(parents=True)
    fetched["cache"].write_bytes(ONE)
    monkeypatch.setattr(pooch, "file_hash", lambda *args: pytest.fail("hashed"))
    before = snapshot(own)
    assert fetch("pair") == own / "b"
    assert snapshot(own) == before
    assert server.requests == []


def test_folder_itself_comes_first(cache, pair, own):
    for name in ("one.bin", "two.bin"):
        (own / name).touch()
    assert fetch("pair") == own


def test_copies_in_different_or_nested_folders_do_not_count(cache, pair, own):
    for name in ("b/two.bin", "c/two.bin"):
        (own / name).unlink()
    deep = own / "d" / "deeper"
    deep.mkdir(parents=True)
    for name in ("one.bin", "two.bin"):
        (deep / name).touch()
    assert fetch("pair") == cache / "pair"


def test_other_layouts_of_the_registry_count(cache, pair, own):
    for folder in ("b", "c"):
        (own / folder / "one.bin").unlink()
    (own / "a" / "both").mkdir()
    assert fetch("pair") == own / "a"


def test_own_archive_is_not_unpacked(cache, reviews, own, server):
    (own / "a" / "reviews.tar.gz").write_bytes(b"not the published bytes")
    before = snapshot(own)
    assert fetch("reviews") == own / "a"
    assert snapshot(own) == before
    assert not cache.exists()


def test_find_copies(cache, own, monkeypatch):
    assert find_copies(["one.bin"]) == own / "a"
    assert find_copies(["one.bin", "two.bin"]) == own / "b"
    assert find_copies(["three.bin"]) is None
    monkeypatch.setenv("NPA_DATA", "")
    assert find_copies(["one.bin"]) is None


@pytest.mark.parametrize("make", [None, "file"])
def test_wrong_npa_data_is_named(cache, pair, tmp_path, monkeypatch, make):
    wrong = tmp_path / "wrong"
    if make:
        wrong.touch()
    monkeypatch.setenv("NPA_DATA", str(wrong))
    with pytest.raises(FileNotFoundError, match=r"NPA_DATA must name a folder.*wrong"):
        fetch("pair")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("eegbci", "S001R02.edf"),
        ("mnist", "train-images-idx3-ubyte.gz"),
        ("imdb", "aclImdb_v1.tar.gz"),
        ("cifar10", "cifar10_jpeg.tar.gz"),
    ],
)
def test_real_copies_are_found(data_dir, cache, monkeypatch, name, file):
    if not list(data_dir.glob(f"*/{file}")):
        pytest.skip(f"NPA_DATA holds no {file}")
    monkeypatch.setenv("NPA_DATA", str(data_dir))
    folder = fetch(name)
    assert (folder / file).is_file()
    assert folder.parent == data_dir
    assert not cache.exists()


# EEGBCI ------------------------------------------------------------------------------------------


@pytest.fixture
def eegbci(server, cache, tmp_path, monkeypatch):
    """Publish runs of subject 7 with checksums of their own."""
    content = {f"S007/S007R{run:02d}.edf": b"recording %d" % run for run in (1, 2, 14)}
    server.content.update(content)
    checksums = {path: hashlib.sha256(body).hexdigest() for path, body in content.items()}
    monkeypatch.setattr(fetching, "_eegbci_checksums", lambda: checksums)
    monkeypatch.setattr(fetching, "bundled_data", lambda: tmp_path)
    (tmp_path / "registry.toml").write_text(
        f'[eegbci]\nurl = "{server.url}"\ninstead = "{INSTEAD}"\n[eegbci.sizes]\n'
    )


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        (None, ["S007R01.edf", "S007R02.edf"]),
        (14, ["S007R14.edf"]),
        ([2, 14], ["S007R02.edf", "S007R14.edf"]),
    ],
)
def test_eegbci_runs(eegbci, cache, runs, names):
    assert fetch("eegbci", subject=7, runs=runs) == cache / "eegbci"
    assert files_below(cache) == names


def test_eegbci_size_that_was_not_published(eegbci, server):
    server.content.clear()
    with pytest.raises(OSError, match=r"S007R01\.edf \(size not published\)"):
        fetch("eegbci", subject=7)


def test_eegbci_real_run_has_the_checksum_of_mne(data_dir, server, cache, monkeypatch):
    file = data_dir / "eegbci" / "S001R03.edf"
    if not file.is_file():
        pytest.skip("NPA_DATA holds no eegbci/S001R03.edf")
    body = file.read_bytes()
    server.content["S001/S001R03.edf"] = body
    registry = fetching._load_registry()
    monkeypatch.setattr(
        fetching, "_load_registry", lambda: {"eegbci": {**registry["eegbci"], "url": server.url}}
    )
    folder = fetch("eegbci", runs=3)
    assert (folder / "S001R03.edf").read_bytes() == body
    assert registry["eegbci"]["sizes"]["S001R03.edf"] == len(body)


def test_mne_lists_every_run_of_every_subject():
    checksums = fetching._eegbci_checksums()
    for subject in range(1, 110):
        for run in range(1, 15):
            assert len(checksums[f"S{subject:03d}/S{subject:03d}R{run:02d}.edf"]) == 64


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"subject": 0}, ValueError, "subject .* >= 1 and <= 109, got 0"),
        ({"subject": 110}, ValueError, "subject .* <= 109, got 110"),
        ({"subject": "S001"}, TypeError, "subject must be a whole number, got 'S001'"),
        ({"runs": 15}, ValueError, "runs .* <= 14, got 15"),
        ({"runs": (1, 1.5)}, TypeError, "runs must be a whole number"),
        ({"runs": ()}, ValueError, "runs must name at least one"),
    ],
)
def test_eegbci_bad_arguments(cache, arguments, error, message):
    with pytest.raises(error, match=message):
        fetch("eegbci", **arguments)


# The registry and bad input ----------------------------------------------------------------------


def test_unknown_data_set(cache):
    with pytest.raises(ValueError, match=r"name must be one of \['eegbci', 'mnist', .*got 'mnits'"):
        fetch("mnits")


@pytest.mark.parametrize("arguments", [{"subject": 1}, {"runs": (1, 2)}])
def test_only_eegbci_has_subjects(cache, arguments):
    with pytest.raises(ValueError, match="subject and runs must be None for 'mnist'"):
        fetch("mnist", **arguments)


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_bad_timeout(cache, timeout):
    with pytest.raises(ValueError, match="timeout must be a number > 0"):
        fetch("mnist", timeout=timeout)


def test_list_describes_every_data_set():
    sizes = {dataset.name: dataset.size for dataset in list_datasets()}
    assert sizes == {
        "eegbci": "1 to 3 MB a run",
        "mnist": "11.6 MB",
        "cifar10": "170.1 MB",
        "imdb": "84.1 MB",
    }
    for dataset in list_datasets():
        for part in (dataset.name, dataset.title, dataset.licence, dataset.citation, dataset.page):
            assert part
            assert part in str(dataset)


def test_registry_is_well_formed():
    for name, entry in fetching._load_registry().items():
        assert entry["checksums"]
        assert entry["instead"]
        for file in entry.get("files", ()):
            assert file["url"].startswith("https://"), name
            assert re.fullmatch("[0-9a-f]{64}", file["sha256"]), name
            assert file["size"] > 0
