"""Back-off and token bucket: numbers, no clock."""

import pytest

from reconciler.ratelimit import Buckets, RateLimiter, TokenBucket, backoff


def test_backoff_doubles_up_to_a_thousand_seconds() -> None:
    """5 ms, 10 ms, 20 ms and so on, at most 1000 s."""
    assert [backoff(n) for n in range(4)] == [0.005, 0.01, 0.02, 0.04]
    assert backoff(17) == pytest.approx(655.36)
    assert backoff(18) == backoff(100_000) == 1000.0


def test_reserved_tokens_come_at_the_rate() -> None:
    """A burst is free; then each reservation waits for a token of its own; time brings them back."""
    bucket = TokenBucket(rate=10.0, burst=2)

    assert [bucket.reserve(0.0) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.1, 0.2])
    assert bucket.reserve(0.5) == 0.0
    assert bucket.reserve(100.0) == 0.0


def test_unused_tokens_do_not_add_up_beyond_the_burst() -> None:
    """However long nothing happened, `burst` is the most at once."""
    bucket = TokenBucket(rate=1.0, burst=2)

    assert [bucket.allow(1e6) for _ in range(3)] == [True, True, False]
    assert bucket.allow(1e6 + 1.0)


def test_keys_have_buckets_of_their_own() -> None:
    """What one key has used is no other's; who has not been asked for longest is forgotten."""
    buckets = Buckets(rate=1.0, burst=1, most=2)

    assert [buckets.allow(key, 0.0) for key in ("a", "a", "b", "b")] == [True, False, True, False]
    assert buckets.allow("c", 0.0)
    assert [buckets.allow(key, 0.0) for key in ("b", "a")] == [False, True]


def test_failures_of_a_key_add_up_until_it_is_forgotten() -> None:
    """Each key has its own back-off."""
    limiter = RateLimiter()

    assert [limiter.when("a", 0.0) for _ in range(3)] == [0.005, 0.01, 0.02]
    assert limiter.when("b", 0.0) == 0.005
    limiter.forget("a")
    assert limiter.failures("a") == 0
    assert limiter.when("a", 0.0) == 0.005


def test_many_failing_keys_wait_for_each_other() -> None:
    """Beyond the first hundred, all keys together are tried ten times a second."""
    limiter = RateLimiter()
    waits = [limiter.when(str(number), 0.0) for number in range(120)]

    assert waits[99] == 0.005
    assert waits[109] == pytest.approx(1.0)
    assert waits[119] == pytest.approx(2.0)


def test_what_was_not_done_is_given_back() -> None:
    """A token whose use has failed may be taken again; of a key that nobody asked for there is nothing to give back."""
    buckets = Buckets(0.1, 1)
    assert buckets.allow("a", 0.0)
    assert not buckets.allow("a", 0.0)
    buckets.give_back("a")
    buckets.give_back("b")

    assert [buckets.allow(key, 0.0) for key in ("a", "a", "b", "b")] == [True, False, True, False]
