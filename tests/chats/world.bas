#workflow
DO
  HEAR what
  TALK "one moment"
  TRY
    answer = SEND FILE what
    SEND MAIL "ana@example.com", "File ${answer.id}", "Dear Ana,\n${what}"
    TALK "sent as ${answer.id}"
  CATCH e
    TALK "not sent: ${e}"
  END TRY
LOOP UNTIL what = "last"
