"""An open-loop load generator: how well a server keeps deadlines, measured from outside, over HTTP.

1. `target` finds the model.
2. `capacity` saturates the server to learn what it can do.
3. `schedule` fixes in advance when which request is due.
4. `traffic` sends each when it is due, over `connections`, whatever became of those before; `timers` says how well a
   program on this machine can keep time at all.
5. `verdicts` puts every request into exactly one class.
6. `cells` counts, `report` writes it down, `console` shows it.

`deadline` is the run from first to last.

`overhead` is another run, of what requests cost whose model takes no time: over the same connections, and with a
server that `launch` starts; `overhead_console` shows it.
"""
