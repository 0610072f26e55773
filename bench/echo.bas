' The least durable turn: one answer heard, one reply said, about 1 KB of variables kept.
#workflow
filler = REPEAT("x", 1000)
DO
    HEAR said
    TALK said
LOOP
