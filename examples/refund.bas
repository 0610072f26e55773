#workflow
' A refund that two scripts, a user and a manager work on.
order = 1204
amount = 80

ON EVENT "parcel returned" DO
  returned = TRUE
  TALK "Your parcel has arrived."
END ON

HEAR reason WITH "Why do you send order ${order} back?"

ORCHESTRATE WORKFLOW "refund of order 1204"
  STEP 1: PARALLEL
    BRANCH A:
      WAIT 5 MINUTES
      fee = amount * 0.1
    BRANCH B: HEAR iban WITH "Where shall the money go?" OR AFTER 1 HOUR
  END PARALLEL

  STEP 2: HUMAN APPROVAL FROM "manager@example.com" FOR "Refund ${amount - fee} for: ${reason}" TIMEOUT 2 DAYS
    ON TIMEOUT: ESCALATE TO "director@example.com"
END WORKFLOW

IF NOT approved THEN
  TALK "We are sorry: ${comment ?? "nobody could decide"}"
  END
END IF
IF returned IS NULL THEN WAIT FOR EVENT "parcel returned" TIMEOUT 14 DAYS
PUBLISH EVENT "refund" WITH {"order": order, "amount": amount - fee, "to": iban}
TALK "${amount - fee} euros are on their way to ${iban}, says ${approver}."
