' One HTTP call a turn: a request of the world outside between what was heard and what is said.
#workflow
DO
    HEAR said
    rate = GET "/rate"
    TALK rate.rate
LOOP
