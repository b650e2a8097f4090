"""THE agentic loop, written once for every dialect and both modes: ask, relay, run what is ours, ask again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aibridge.dialects.base import Exchange, usage_of
from aibridge.errors import AibridgeError, EndlessTools, UpstreamError
from aibridge.model import Head, Output, Record, Relay, ToolCall, ToolResult
from aibridge.ports import Emit, Recall, Send, Toolbox, Upstream

_NO_OBJECT = "its arguments are not a JSON object, so it was not run"


class Loop:
    """Drives one exchange from its first round to its last byte."""

    def __init__(
        self, exchange: Exchange, upstream: Upstream, toolbox: Toolbox, recall: Recall, *, send: Send, emit: Emit
    ) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._toolbox = toolbox
        self._recall = recall
        self._send = send
        self._emit = emit
        self._records: list[Record] = []  # not handed on yet; few, so a deque would be all room

    async def run(self, max_rounds: int) -> None:
        """Runs the turn. What goes wrong is told to the client and stands in the exchange's outcome."""
        try:
            await self._round(last=max_rounds <= 1)
            while await self._goes_on(max_rounds):
                await self._round(last=self._exchange.rounds + 1 >= max_rounds)
            turn = self._exchange.hidden()
            if turn is not None:
                await self._recall.keep(turn)
            await self._put(self._exchange.finish())
        except AibridgeError as error:
            await self.fail(error)

    async def fail(self, error: AibridgeError) -> None:
        """Ends the turn with an error: settles the records, then tells the client."""
        await self.abandon()
        await self._put(self._exchange.fail(error))

    async def abandon(self) -> None:
        """Records what was under way; nothing goes to the client."""
        await self._put(self._exchange.abandon())

    async def _goes_on(self, max_rounds: int) -> bool:
        """Runs what is ours of the calls, and says whether there is another round."""
        exchange = self._exchange
        calls = exchange.pending()
        if not calls:
            return False
        if exchange.rounds >= max_rounds:
            raise EndlessTools(f"the model went on calling tools after {max_rounds} rounds (tools.max_rounds)")
        results = await self._answer(calls)
        goes_on = exchange.resume(results)
        self._records += map(usage_of, calls, results)
        await self._hand_on()
        return goes_on

    async def _round(self, *, last: bool) -> None:
        exchange = self._exchange
        async with self._upstream.open(exchange.request(last)) as response:
            await self._put(exchange.begin(response.status, response.headers))
            try:
                async for data in response:
                    match exchange.receive(data):
                        case (Relay() as words,):  # as nearly always
                            await self._send(words)
                        case outputs:
                            await self._put(outputs)
            except UpstreamError:
                if not exchange.answered:
                    raise
        await self._put(exchange.end_round())

    async def _answer(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The results in the order of the calls; a call whose arguments make no sense is answered, not run."""
        ran = iter(await self._toolbox.call([call for call in calls if call.input is not None]))
        return [ToolResult.failure(_NO_OBJECT) if call.input is None else next(ran) for call in calls]

    async def _put(self, outputs: Iterable[Output]) -> None:
        """Relays what came together in one write, then hands on the records; an error's victims go out before it."""
        relays: list[Relay] = []
        try:
            for output in outputs:
                if isinstance(output, Relay):
                    relays.append(output)
                elif isinstance(output, Head):
                    await self._send(output)
                else:
                    self._records.append(output)
        finally:
            if relays:
                await self._send(relays[0] if len(relays) == 1 else Relay(b"".join(relay.data for relay in relays)))
            if self._records:
                await self._hand_on()

    async def _hand_on(self) -> None:
        """Hands the records on; one whose taking is cancelled stays, for abandon()."""
        while self._records:
            await self._emit(self._records[0])
            del self._records[0]
