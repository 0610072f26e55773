' The turn of turn.bas, whose question has a deadline.
#workflow
SET filler = REPEAT("x", 1000)
SET count = 0
DO
    HEAR said TIMEOUT 3600
    SET count = count + 1
    SET last = "You said " + said
    IF said = "stop" THEN
        EXIT DO
    END IF
    TALK last
    TALK "That was number " + count
LOOP
