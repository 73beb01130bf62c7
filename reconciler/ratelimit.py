"""How long to wait: exponential back-off and a token bucket (client-go `util/workqueue` DefaultControllerRateLimiter).

Pure: whoever asks says what time it is, in seconds of any one clock.
"""

from collections import OrderedDict

_BASE_DELAY = 0.005
_MAX_DELAY = 1000.0
_RATE = 10.0
_BURST = 100


def backoff(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row, counted from 0: 5 ms, doubled each time, at most 1000 s."""
    return _BASE_DELAY * 2.0**failures if failures < 18 else _MAX_DELAY


class TokenBucket:
    """`rate` tokens a second, at most `burst` at once. `_tokens` is what there was at `_at`; below 0: lent out."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), 0.0

    def reserve(self, now: float) -> float:
        """Takes a token, of the future if need be; the seconds until it is there."""
        self._fill(now)
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)

    def allow(self, now: float) -> bool:
        """Takes a token if there is one."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def give_back(self) -> None:
        """Undoes what took a token."""
        self._tokens += 1.0

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class Buckets:
    """A TokenBucket for each key, of the `most` keys that were asked for last."""

    def __init__(self, rate: float, burst: int, most: int = 4096) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def allow(self, key: str, now: float) -> bool:
        """Takes a token of the key's if there is one."""
        bucket = self._buckets.pop(key, None) or TokenBucket(self._rate, self._burst)
        self._buckets[key] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket.allow(now)

    def give_back(self, key: str) -> None:
        """Undoes an `allow` that was granted: what it was for has not been done."""
        if bucket := self._buckets.get(key):
            bucket.give_back()


class RateLimiter:
    """Delays of failing keys: each key's own back-off, and 10 a second for all of them, 100 at once."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._overall = TokenBucket(_RATE, _BURST)

    def when(self, key: str, now: float) -> float:
        """Counts a failure of the key; the seconds until it may be tried again."""
        failures = self.failures(key)
        self._failures[key] = failures + 1
        return max(backoff(failures), self._overall.reserve(now))

    def failures(self, key: str) -> int:
        """How many there were since the last `forget`."""
        return self._failures.get(key, 0)

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)
