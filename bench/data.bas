' One data keyword in every turn: a row of the bot's table is written, in the transaction of the turn.
#workflow
DO
    HEAR said
    SAVE "said", {"id": SESSION_ID(), "words": said}
    TALK said
LOOP
