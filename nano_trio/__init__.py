"""nano-trio: many isolated JavaScript apps in one Python process, preempted, limited and supervised by Trio."""

__version__ = "0.1.0"
