"""A hundred malformed messages of every kind over a real socket, with good requests in their midst."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from malformed import LONGEST, MALFORMED
from server_process import ROOT, running_server
from socket_client import event, open_socket, send

TIMES = 100


async def test_each_is_answered_and_the_others_on_the_socket_are_unharmed(tmp_path: Path) -> None:
    bundle = ROOT / "models" / "pretrained" / "fashion-mnist"
    limits = ("--max-body-bytes", str(LONGEST), "--max-message-rate", "100000")
    with running_server(bundle, tmp_path, *limits) as server:
        async with open_socket(server.url.removeprefix("http://")) as ws:
            codes: list[list[int]] = []
            for kind, (text, status, name) in enumerate(MALFORMED):
                for _ in range(TIMES // 2):
                    await ws.send(text)
                await send(ws, type="generate", id=f"good {kind}", seed=7, deadline_ms=30_000)
                for _ in range(TIMES // 2):
                    await ws.send(text)
                events = [await event(ws) for _ in range(TIMES + 2)]
                errors = Counter((each["id"], each["problem"]["status"]) for each in events if each["type"] == "error")
                assert errors == {(name, status): TIMES}, text[:80]
                (answer,) = (each for each in events if each["type"] == "completed")
                assert answer["id"] == f"good {kind}"
                codes += [output["codes"] for output in answer["outputs"]]
        assert len(codes) == len(MALFORMED)
        assert all(each == codes[0] for each in codes)
        assert "Traceback" not in server.log
