#workflow
DO
    HEAR said
    DO
        said = "again"
    LOOP
LOOP
