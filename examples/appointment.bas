' appointment.bas
' Book an appointment at a dentist's. Every answer is checked; whoever stops answering loses nothing,
' because the day and the hour are asked for again when they come back.
#workflow
HEAR treatment AS "Check-up", "Cleaning", "Toothache" WITH "Good morning! What can we do for you?"

IF treatment = "Toothache" THEN
    TALK "Oh dear. We keep an hour free every day for that."
END IF

HEAR day AS DATE WITH "Which day suits you?" RETRIES 2
IF day = "" THEN
    TALK "We could not agree on a day. Please call us: 555 0100."
    END
END IF
HEAR hour AS HOUR WITH "At what time? We are open from 9:00 to 17:00."
DO WHILE hour < "09:00" OR hour > "17:00"
    HEAR hour AS HOUR WITH "We are open from 9:00 to 17:00. At what time?"
LOOP

HEAR patient AS NAME WITH "And your name, please?"

TRY
    HEAR agreed AS BOOLEAN WITH "${treatment} on ${day} at ${hour} for ${patient}. Shall I book it?" TIMEOUT 2 HOURS
CATCH problem
    TALK "I have not heard from you, so the hour is free again. Write to us whenever you like."
    END
END TRY

IF agreed THEN
    TALK "Booked. See you on ${FORMAT(day, "dd/MM/yyyy")} at ${hour}!"
ELSE
    TALK "All right, nothing is booked."
END IF
