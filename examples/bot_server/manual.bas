#workflow
' The bot server answers SEND FILE and USE KB: see answer_keywords.py.
base = USE KB "printers"
HEAR topic WITH "I know ${LEN(base.documents)} manuals. Which one?"
TRY
    sent = SEND FILE "printers/${topic}.txt", "As promised"
    TALK "Here it is: ${sent.sent}"
CATCH e
    TALK "Sorry. ${e}"
END TRY
