"""The process around the engine: PostgreSQL, actors, commands. Everything that touches the world."""
