' The turn that the aims speak of: HEAR, two SETs, an IF, two TALKs; about 1 KB of other variables kept.
#workflow
SET filler = REPEAT("x", 1000)
SET count = 0
DO
    HEAR said
    SET count = count + 1
    SET last = "You said " + said
    IF said = "stop" THEN
        EXIT DO
    END IF
    TALK last
    TALK "That was number " + count
LOOP
