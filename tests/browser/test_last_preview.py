"""An answer that ends as its last preview was: nothing new is shown, but what is there can be heard now."""

from __future__ import annotations

import asyncio

import numpy as np
from browsing import playground
from fake_pool import FakePool, FakeTicket, app_over, audio_manifest, result
from live_thread import live_in_thread
from playwright.sync_api import Browser, expect
from socket_client import preview

from service.encode import encode
from service.settings import Settings


def test_a_clip_that_ends_as_its_last_preview_was_can_be_heard(browser: Browser) -> None:
    clips = audio_manifest()
    samples = np.sin(np.arange(80, dtype=np.float32) / 10)[None]
    sound = encode(clips.media, samples, "wav")
    pool, settings = FakePool(clips), Settings()

    def answer(ticket: FakeTicket) -> None:
        ticket.tell(preview(ticket, codes=3, data=sound))
        # Once the preview has been sent, and shown: what is told at once is one message.
        asyncio.get_running_loop().call_later(0.5, ticket.tell, result(ticket, 3, "client_stop", sound))

    pool.on_submit = answer
    with live_in_thread(app_over(pool, settings), settings) as url, playground(browser, url) as page:
        page.open()
        request = page.generate()
        assert len(page.ending(request)["outputs"][0]["codes"]) == 3
        assert page.events(request, "preview")
        expect(page["#picture"]).to_have_attribute("data-codes", "3")
        page.until(lambda: page["#player"].evaluate("player => player.duration > 0"))
        assert page["#player"].evaluate("player => player.duration") == 0.01
