"""Workers of one server and each other: the bus between them, and what goes over it."""
