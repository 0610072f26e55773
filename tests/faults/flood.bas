#workflow
DO
    HEAR said
    TALK "you said ${said}"
LOOP
