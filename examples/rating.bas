' rating.bas
' Ask for 1 to 5 points about one thing. Other scripts call it: points = CALL "rating.bas", "the food"
#workflow
PARAM subject AS STRING LIKE "the food"

HEAR points AS INTEGER WITH "${subject}?" RETRIES 2 TIMEOUT 1 HOUR
IF points = "" THEN THROW "that was no number"
IF points < 1 OR points > 5 THEN THROW "points go from 1 to 5"
RETURN points
