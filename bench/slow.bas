' A turn that waits for an answer which comes when the measurement says so.
#workflow
DO
    HEAR said
    held = GET "/held"
    TALK held.rate
LOOP
