"""How dumps come about: for which providers, under which names, without which secrets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from aibridge.model import Target
from aibridge.ports import Upstreams
from aibridge.providers import Provider
from aibridge.upstream.clock import REAL, Clock
from aibridge.upstream.dump.dumped import DumpedUpstreams
from aibridge.upstream.dump.files import File, Files
from aibridge.upstream.dump.masks import Masks
from aibridge.upstream.dump.transcript import Transcript
from aibridge.upstream.request import Requests


class Dumps:
    """Has rounds written down. `interception`: the id of the interception at work, None where there is none."""

    def __init__(self, interception: Callable[[], str | None], clock: Clock = REAL) -> None:
        self._interception = interception
        self._clock = clock
        self._files: Files | None = None

    def of(
        self, upstreams: Upstreams, directories: Mapping[str, tuple[Provider, Path]], secrets: Iterable[str]
    ) -> Upstreams:
        """The same upstreams; the rounds of these providers are written down, each into its directory.

        Without any nothing stands in between. `secrets`: what no dump may show.
        """
        if not directories:
            return upstreams
        self._files = files = self._files or Files()
        told = [*secrets]
        known = {*told, *(secret.rpartition(" ")[2] for secret in told)}  # a scheme is no part of a secret
        return DumpedUpstreams(
            upstreams,
            {
                name: _Dump(files, provider, root, known, self._interception, self._clock)
                for name, (provider, root) in directories.items()
            },
        )

    async def aclose(self) -> None:
        """Writes what is still to be written."""
        if self._files is not None:
            await self._files.aclose()


class _Dump:
    """Begins the dumps of one provider."""

    def __init__(
        self,
        files: Files,
        provider: Provider,
        root: Path,
        secrets: Collection[str],
        interception: Callable[[], str | None],
        clock: Clock,
    ) -> None:
        self._files = files
        self._provider = provider
        self._root = root
        self._secrets = secrets
        self._interception = interception
        self._clock = clock
        self._requests = Requests(provider)

    def __call__(self, target: Target, body: bytes) -> Transcript | None:
        try:
            request = self._requests.to(target)
        except UnicodeDecodeError:
            return None  # it is refused, and never sent
        today = datetime.fromtimestamp(self._clock.today(), UTC).date().isoformat()
        file = File(self._root, (self._provider.name, today), self._interception() or str(uuid4()))
        masks = Masks(target.credential, self._secrets, self._provider.extra_headers)
        transcript = Transcript(self._files, file, masks, self._clock.now)
        transcript.request(request, body)
        return transcript
