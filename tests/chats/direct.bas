' In direct mode nothing is stored; the conversation is the same, and this one calls another file.
#direct
HEAR n AS INTEGER WITH "How many?"
FOR i = 1 TO n
    price = CALL "price.bas", i
    total = total + price
NEXT
TALK "In all ${total}"
