' faults.bas: everything that a crash at the wrong moment could spoil.
#workflow
TALK "Welcome."
HEAR name AS NAME WITH "What is your name?"
SET "session.name", name
HEAR wanted AS INTEGER WITH "How many problems?"
list = []
FOR i = 1 TO wanted
  problem = describe(i)
  list.push(problem)
  seen = GET "session.seen"
  SET "session.seen", NVL(seen, 0) + 1
  TALK "Noted ${i}: ${problem}"
NEXT
SET ticket = CREATE(JOIN(list, "; "))
TALK "Ticket #{ticket} created"
WAIT 0.05
who = GET "session.name"
HEAR more AS BOOLEAN WITH "${who}, anything else?"
DO WHILE more
  HEAR text
  TALK "Added: ${text}"
  HEAR more AS BOOLEAN WITH "Anything else?"
LOOP
seen = GET "session.seen"
BEGIN TALK
Bye ${who}.
Ticket #{ticket}, ${seen} problems noted.
END TALK

FUNCTION describe(n)
  HEAR what WITH "Problem ${n}?"
  HEAR level AS "low", "high" WITH "How bad is ${what}?"
  RETURN what & " (" & level & ")"
END FUNCTION
