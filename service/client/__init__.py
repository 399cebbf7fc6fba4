"""The Python client.

    from anytime import AnytimeClient

    with AnytimeClient() as client:
        answer = client.generate(label="sneaker", deadline_ms=50)

sync.py, asynchronous.py   the two clients: thin shells that do the I/O, over httpx and websockets
base.py, address.py        what both have in common
exchange.py                what is done for an answer over HTTP, as steps; conversation.py  for one over a websocket
budget.py                  what remains of the deadline, and whether another try fits into it
request.py                 what is asked; understanding.py  what is answered; samples.py  what the caller gets
errors.py                  what can go wrong
metadata.py, containers/   what saved files say of themselves
environment.py             the address and the key in the environment

Nothing here is the server's, and nothing but the shells does I/O. What programs need is to be had from `anytime`.
"""
