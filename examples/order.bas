' order.bas
' A bakery takes an order: a loop with a question in it, procedures, and a total that runs along.
#workflow
PARAM table_number AS INTEGER LIKE 4 DESCRIPTION "Where the guest sits"

prices = { "Coffee": 1.8, "Croissant": 2.5, "Orange juice": 3.2 }
lines = []
total = 0

TALK "Welcome to the bakery, table ${table_number ?? "at the counter"}."
DO
    ADD SUGGESTION "that is all" AS "That is all"
    HEAR item AS "Coffee", "Croissant", "Orange juice", "*" WITH "What would you like?"
    IF LCASE(item) = "that is all" THEN EXIT DO
    price = prices[item]
    IF price IS NULL THEN
        TALK "We do not have ${item} today."
        CONTINUE
    END IF
    HEAR count AS INTEGER WITH "How many?" DEFAULT 1
    CALL add_line(item, count, price)
LOOP

IF lines.length = 0 THEN
    TALK "Nothing then. Have a nice day!"
    RETURN
END IF

BEGIN TALK
Your order:
${receipt()}
In all ${euros(total)}.
END TALK
RETURN WITH lines AS items, total AS total

SUB add_line(name, count, price)
    lines.push({ "name": name, "count": count, "sum": count * price })
    total = total + count * price
    TALK "${count} × ${name}, that makes ${euros(total)} so far."
END SUB

FUNCTION receipt()
    text = ""
    FOR EACH line IN lines
        IF text <> "" THEN text = text & "\n"
        text = text & "${line.count} × ${line.name}: ${euros(line.sum)}"
    NEXT
    RETURN text
END FUNCTION

FUNCTION euros(amount)
    RETURN FORMAT(amount, "0.00") & " €"
END FUNCTION
