' Everything a .chat file can write down: headers, lines that go on, buttons, time, an end.
#workflow
PARAM name DEFAULT "stranger"
BEGIN TALK
Good day, ${name}.

It is ${FORMAT(NOW(), "HH:mm")}.
END TALK
ADD SUGGESTION "bye" AS "Good bye"
HEAR answer WITH "Shall we?"
TALK TO "colleague", answer
WAIT 90 MINUTES
TALK
TALK "It is ${FORMAT(NOW(), "HH:mm")} now."
