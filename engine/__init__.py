"""The language and its machine: pure. No I/O, no asyncio, no clock and no randomness of its own."""
