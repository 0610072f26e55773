#workflow
name = "Ada"
SCHEDULE IN 10 MINUTES DO
  TALK "Ten minutes, ${name}"
  WAIT 5 MINUTES
  TALK "Fifteen"
END SCHEDULE
HEAR x
TALK "you said ${x}"
