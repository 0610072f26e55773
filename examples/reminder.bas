' reminder.bas
' Remind somebody of something, and insist. Between two lines of this script days may pass: a waiting
' conversation is a row in the database, and needs neither this daemon nor this machine to stay up.
#workflow
HEAR what WITH "What shall I remind you of?"
HEAR hours AS INTEGER WITH "In how many hours?" DEFAULT 1 TIMEOUT 10 MINUTES

TALK "I will remind you in ${hours} ${IIF(hours = 1, "hour", "hours")}."
WAIT hours HOURS

FOR i = 1 TO 3
    HEAR answer AS "Done", "Later" WITH "Reminder ${i}: ${what}" TIMEOUT 30 MINUTES DEFAULT "silence"
    IF answer = "Done" THEN
        TALK "Well done!"
        END
    END IF
    IF answer = "Later" THEN
        TALK "As you wish. Tomorrow, then."
        WAIT 1 DAYS
    END IF
NEXT
TALK "I give up. It was: ${what}"
