#workflow
DO
  HEAR x
  SAVE "said" WITH words AS x
  TALK "you said ${x}"
LOOP
