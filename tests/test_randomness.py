"""prunescope.randomness: run with `pytest tests/test_randomness.py`."""

import copy
import hashlib
import pickle

import numpy as np

from prunescope.randomness import generator


def test_a_stream_is_that_of_philox_with_the_hash_as_its_key():
    for arguments in ((0, "batch", 0, 0), (2**63, "transform", 17, 99_999), (1, "null of é", 3, 4)):
        text = "prunescope/{}/{}/{}/{}".format(*arguments).encode()
        key = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")
        found, wanted = generator(*arguments), np.random.Generator(np.random.Philox(key=key))
        assert found.integers(0, 10**12, 50).tolist() == wanted.integers(0, 10**12, 50).tolist()
        assert found.standard_normal(50).tolist() == wanted.standard_normal(50).tolist()


def test_a_copy_goes_on_with_the_same_numbers():
    rng = generator(0, "batch")
    rng.random(3)
    copies = [copy.deepcopy(rng), pickle.loads(pickle.dumps(rng))]
    wanted = rng.random(9).tolist()
    assert all(other.random(9).tolist() == wanted for other in copies)
