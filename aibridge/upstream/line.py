"""What all requests to one account share."""

from __future__ import annotations

import httpx2

from aibridge.errors import AibridgeError
from aibridge.model import Credential, Target
from aibridge.upstream import faults
from aibridge.upstream.account import Account
from aibridge.upstream.answer import Answer
from aibridge.upstream.connections import Connections
from aibridge.upstream.exceptions import translate
from aibridge.upstream.policies import Policies
from aibridge.upstream.redaction import Secrets, secret_values
from aibridge.upstream.request import Requests


class Line:
    """The way to one account: its connections, its requests, its rules and its words."""

    def __init__(self, account: Account, pool: Connections, policies: Policies) -> None:
        self.account = account
        self.name = account.provider.name
        self.requests = Requests(account.provider)
        self.pool = pool
        self.policies = policies
        self._hidden = (*account.provider.api_keys, *secret_values(account.provider.extra_headers))
        self._secrets: dict[bytes, Secrets] = {}

    async def send(self, target: Target, body: bytes) -> Answer:
        """The beginning of the answer to one request. Raises errors of ours, as the answer's body will."""
        try:
            request = self.requests.to(target)
        except UnicodeDecodeError as error:
            raise self.told(error) from None
        account = self.account
        return await self.pool.send(request, body, connect=account.connect, silence=account.idle, told=self.told)

    def told(self, error: Exception) -> AibridgeError:
        """The error of ours for one of aiohttp's."""
        return self.explain(translate(error))

    def explain(self, error: httpx2.RequestError) -> AibridgeError:
        return faults.explain(self.name, error, connect=self.account.connect, read=self.account.idle)

    def secrets(self, credential: Credential | None) -> Secrets:
        """What must not be seen of the answer to a request with this credential."""
        if credential is None or credential.kind != "centralized":
            return Secrets(credential, self._hidden)
        known = self._secrets.get(credential.header[1])
        if known is None:  # there are as many as there are keys
            known = self._secrets[credential.header[1]] = Secrets(credential, self._hidden)
        return known
