' survey.bas
' Three questions about a visit, each asked by another script. What a question refuses is caught here; how many
' people have answered is remembered by the bot, and who has answered is remembered by the session.
#workflow
done = GET "session.surveyed"
IF done THEN
    TALK "You have told us already. Thank you!"
    END
END IF

questions = ["the food", "the service", "the music"]
sum = 0
answers = 0

TALK "How was your visit? From 1 to 5, please."
FOR EACH question IN questions
    TRY
        points = CALL "rating.bas", question
        sum = sum + points
        answers = answers + 1
    CATCH problem
        TALK "Never mind ${question}: ${problem}."
    END TRY
NEXT

IF answers = 0 THEN
    TALK "Another time, then."
    END
END IF

SET "session.surveyed", TRUE
people = GET BOT MEMORY "surveyed"
SET BOT MEMORY "surveyed", people + 1
TALK "Thank you! ${ROUND(sum / answers, 1)} points from you, visitor number ${people + 1}."
