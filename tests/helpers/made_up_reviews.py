"""Made-up reviews in the published layout; a fifth of their words depend on the label."""

import numpy as np

POSITIVE, NEGATIVE = ["superb", "lovely", "moving"], ["dull", "awful", "clumsy"]
NEUTRAL = ["the", "a", "film", "plot", "actor", "scene", "and", "of"]

# How to read them, and how to train on them in seconds.
CORPUS = {"vocabulary": 13, "length": 60, "width_step": 30}
SMALL = {"batch_size": 16, "embedding": 4, "units": 5, "learning_rate": 0.02, "target": None}


def write_reviews(folder, n_reviews=200):
    """Write reviews of 5 to 70 words."""
    rng = np.random.default_rng(0)
    for number in range(n_reviews):
        part, label = ("train", "test")[number % 2], ("neg", "pos")[number // 2 % 2]
        words = rng.choice(NEUTRAL, size=rng.integers(5, 70)).astype(object)
        marked = rng.random(len(words)) < 0.2
        marked[0] = True
        words[marked] = rng.choice(POSITIVE if label == "pos" else NEGATIVE, size=marked.sum())
        file = folder / "aclImdb" / part / label / f"{number}_{9 if label == 'pos' else 2}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(" ".join(words).capitalize() + ".")
    return folder
