"""Decides, at every code step, which samples advance, which are decoded, who enters a slot and who makes room.

Pure: no torch, no asyncio, no I/O, no clock. Time is an argument, in seconds; `Costs` learns what operations take.

    jobs.py       what the scheduler looks at (`Job`) and what it answers (`Plan`)
    costs.py      what a step, a decode and an encode take, learnt while serving
    tables.py     where they are looked up
    timetable.py  who would be late, and which decodes fit together
    plan.py       the decision
"""

from __future__ import annotations

from service.scheduler.costs import Costs
from service.scheduler.jobs import HIGHEST, LOWEST, NORMAL, Ending, Entry, Job, Plan, urgency
from service.scheduler.plan import plan
from service.scheduler.tables import Kind
from service.scheduler.timetable import MOMENT_S

__all__ = [
    "HIGHEST",
    "LOWEST",
    "MOMENT_S",
    "NORMAL",
    "Costs",
    "Ending",
    "Entry",
    "Job",
    "Kind",
    "Plan",
    "plan",
    "urgency",
]
