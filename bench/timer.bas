' One timer: it waits, speaks, and hears from then on; 1 KB of variables.
#workflow
PARAM seconds AS INTEGER LIKE 60 DESCRIPTION "how long it waits"
SET filler = REPEAT("x", 1000)
WAIT seconds
TALK "The time has come"
HEAR said
