"""One connection of HTTP/1.1, everything about it bounded.

A connection is always in one of four states:

    idle      nothing of a request has come; ends after `keep_alive` (a new one after `head_timeout`)
    arriving  part of a head, or of a small body, has come; ends after `head_timeout` for each,
              a head at `head_size` bytes
    running   the application has the request; its body and answer must move (see `watch`)
    closing   the answer is out, the rest of the body is thrown away for a few seconds

In all but `running` it may be ended to make room for another (see `hub`).

Bytes of bodies are received straight into the exchange's buffers (BufferedProtocol),
heads into one scratch buffer of the process. Requests are served one at a time and
in order. What is pipelined waits in the socket or, read already, in `_early`: never
more than `head_size` bytes, and nothing is read while it holds what was sent before.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from consigne.protocol import MAX_JSON, MIB
from consigne.server.api import problems
from consigne.server.http import head as heads
from consigne.server.http.exchange import Exchange
from consigne.server.http.watch import Watch, held_by_kernel
from consigne.server.refusal import Refusal

if TYPE_CHECKING:
    from consigne.server.http.hub import Hub

IDLE, CLOSING, ARRIVING = 0, 1, 2  # whoever may go, in this order, when another needs the room
LINGER_TIME: Final = 5.0
LINGER_BYTES: Final = 128 * MIB
SMALL_BODY: Final = MAX_JSON  # up to this size a body is whole before the application runs
MOST_BODY: Final = 100_000_000  # no request is larger, so that any proxy lets it pass


class Connection(asyncio.BufferedProtocol):
    """Speaks HTTP with one peer. Made by the hub, which holds what all connections share."""

    def __init__(self, hub: Hub) -> None:
        self.lost = False
        self.gone = asyncio.Event()  # the peer sends no more, and may be lost
        self._hub = hub
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()  # the head so far, or what came after a request
        self._let_pass = False  # an empty line before this head
        self._exchange: Exchange | None = None
        self._running = False  # the application has the exchange
        self._closing = False
        self._ended = False  # the peer sends no more
        self._lingered = 0
        self._paused = False
        self._drained = asyncio.Event()
        self._drained.set()
        self._timer: asyncio.TimerHandle | None = None
        self._watch = Watch()

    # ---------------------------------------------------------------- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in; one too many is told so."""
        self._transport = cast("asyncio.Transport", transport)
        # Resume writing only when all is out: then a piece's buffer may be used again.
        self._transport.set_write_buffer_limits(high=0)
        if not self._hub.admit(self):
            self.write(problems.raw(Refusal("busy", retry_after=1)))
            self._close(lingering=False)
            return
        self._expect_head(self._hub.settings.head_timeout)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the loop puts the next bytes."""
        exchange = self._exchange
        if exchange is not None and exchange.incoming.left and not self._closing:
            return exchange.incoming.room()
        return self._hub.scratch[: max(1, self._hub.settings.head_size - len(self._early))]

    def buffer_updated(self, nbytes: int) -> None:
        """`nbytes` lie where get_buffer said."""
        if self._closing:
            self._linger(nbytes)
        elif self._exchange is not None and self._exchange.incoming.left:
            self._body_arrived(nbytes)
        else:
            self._early += self._hub.scratch[:nbytes]
            if self._exchange is None:
                self._read_head()
            else:
                self._pause()  # pipelined: read on when the answer is out

    def eof_received(self) -> bool:
        """A peer that has sent all may still wait for its answer; otherwise it is over."""
        self._ended = True
        self.gone.set()
        exchange = self._exchange
        return exchange is not None and not exchange.incoming.left and not self._closing

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for the peer."""
        del exc
        self.lost = True
        self.gone.set()
        self._hub.left(self)
        self._stop_timer()
        self._drained.set()
        if self._exchange is not None:
            self._exchange.incoming.abandon()

    def pause_writing(self) -> None:
        """The peer (or the network) does not take more now."""
        self._drained.clear()
        self._watch.sending(self._unsent())
        self._set_timer(self._hub.settings.body_timeout)

    def resume_writing(self) -> None:
        """All is out."""
        self._drained.set()

    # ---------------------------------------------------------------- called by the exchange

    @property
    def stopping(self) -> bool:
        """The host takes no further request."""
        return self._hub.stopping

    def write(self, data: bytes | memoryview) -> None:
        """Send, without waiting; `drained` waits."""
        if self._transport is not None and not self.lost:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until all that was written is out, or the peer is gone."""
        await self._drained.wait()

    def wants_body(self) -> None:
        """The application is about to wait for a piece of the body."""
        self._move_early()
        if self._exchange is not None and self._exchange.incoming.left and not self._early:
            self._resume()

    def finished(self, exchange: Exchange) -> None:
        """The application is done: on to the next request, or to the end."""
        self._running = False
        if self.lost or self._transport is None:
            return
        if not exchange.done:
            self._transport.abort()  # a cut answer must not look whole
        elif exchange.keep_alive and not (self._hub.stopping or self._ended):
            self._next()
        else:
            unread = exchange.incoming.left > 0 or bool(self._early)
            self._close(lingering=unread and not self._ended)

    def _next(self) -> None:
        """Serve what was read ahead; only when that is no whole request, read on, and see its end."""
        self._exchange = None
        self._expect_head(self._hub.settings.keep_alive)
        if self._early:
            self._read_head()
        if not self._running and not self._closing:
            self._resume()

    # ---------------------------------------------------------------- called by the hub

    def stop(self) -> None:
        """The host stops: an idle connection ends now, a busy one after its answer."""
        if not self._running and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # ---------------------------------------------------------------- head

    def _expect_head(self, seconds: float) -> None:
        self._hub.may_go(self, IDLE)
        self._set_timer(seconds)

    def _read_head(self) -> None:
        early = self._early
        if self._hub.may_go(self, ARRIVING):  # its first bytes
            self._set_timer(self._hub.settings.head_timeout)
        if early.startswith(b"\r\n") and not self._let_pass:
            del early[:2]  # RFC 9112, 2.2: one empty line before a request is let pass
            self._let_pass = True
        size = early.find(heads.END) + len(heads.END)
        most = self._hub.settings.head_size
        if size > most or (size < len(heads.END) and len(early) >= most):
            self._refuse(Refusal("head-too-large"))
        elif size >= len(heads.END):
            data = bytes(early[:size])
            del early[:size]
            self._begin(data)

    def _begin(self, data: bytes) -> None:
        self._let_pass = False
        try:
            head = heads.parse(data)
            if (head.length or 0) > MOST_BODY:
                raise Refusal("too-large")  # noqa: TRY301  one place answers all refusals of heads
        except Refusal as refusal:
            self._refuse(refusal)
            return
        exchange = self._exchange = Exchange(self, head, self._hub.buffers)
        self._move_early()
        if exchange.incoming.left and (head.length or 0) <= SMALL_BODY:
            exchange.ask_for_body()
            self._set_timer(self._hub.settings.head_timeout)
        else:
            self._start(exchange)

    def _start(self, exchange: Exchange) -> None:
        """The application takes over."""
        self._running = True
        self._hub.must_stay(self)
        self._stop_timer()
        if self._early:
            self._pause()
        else:
            self._resume()
        if exchange.incoming.left:
            self._watch.receiving()
            self._set_timer(self._hub.settings.body_timeout)
        self._hub.start(exchange)

    def _move_early(self) -> None:
        """Body bytes that were read ahead go where the others will, before them."""
        incoming = self._exchange.incoming if self._exchange else None
        while incoming is not None and self._early and incoming.left and not incoming.full:
            room = incoming.room()
            count = min(len(room), len(self._early))
            room[:count] = self._early[:count]
            del self._early[:count]
            incoming.arrived(count)

    # ---------------------------------------------------------------- body

    def _body_arrived(self, nbytes: int) -> None:
        exchange = cast("Exchange", self._exchange)
        incoming = exchange.incoming
        incoming.arrived(nbytes)
        self._watch.moved += nbytes
        if not self._running:
            if not incoming.left:
                self._start(exchange)
        elif incoming.full and incoming.left:
            self._pause()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._watch.pause()
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._watch.resume()
            self._transport.resume_reading()

    # ---------------------------------------------------------------- end

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what never became an exchange, and close."""
        self.write(problems.raw(refusal))
        self._close(lingering=True)

    def _close(self, *, lingering: bool) -> None:
        """Close; while `lingering`, first throw away what the peer still sends.

        Closing with unread bytes resets the connection, and the peer might lose
        the very answer that tells why.
        """
        if self._transport is None:
            return
        self._closing = True
        self._stop_timer()
        if not lingering:
            self._hub.must_stay(self)
            self._transport.close()
            return
        self._hub.may_go(self, CLOSING)
        self._early.clear()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._resume()
        self._set_timer(LINGER_TIME)

    def _linger(self, nbytes: int) -> None:
        self._lingered += nbytes
        if self._lingered > LINGER_BYTES:
            self.abort()

    # ---------------------------------------------------------------- time

    def _set_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self._hub.loop.call_later(seconds, self._time_is_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _unsent(self) -> int:
        """Bytes that the peer has not taken: our own, and those that the kernel holds for it."""
        if self._transport is None:
            return 0
        return self._transport.get_write_buffer_size() + held_by_kernel(self._transport)

    def _time_is_up(self) -> None:
        self._timer = None
        exchange = self._exchange
        settings = self._hub.settings
        if self._closing:
            self.abort()
        elif exchange is None or not self._running:
            self._request_is_late()
        elif not self._drained.is_set():
            if self._watch.sends_too_slowly(self._unsent(), settings.body_timeout * settings.body_min_rate):
                self.abort()
            else:
                self._set_timer(settings.body_timeout)
        elif exchange.incoming.left:
            if self._watch.receives_too_slowly(settings.body_timeout, settings.body_min_rate):
                exchange.too_slow = True
                exchange.incoming.abandon()
            else:
                self._set_timer(settings.body_timeout)

    def _request_is_late(self) -> None:
        if self._early or self._exchange is not None:
            self._refuse(Refusal("too-slow"))
        elif self._transport is not None:
            self._transport.close()
