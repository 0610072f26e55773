' world.bas: what a crash at the wrong moment could do twice in the world outside.
#workflow
HEAR name WITH "Who?"
SET ticket = CREATE(name)
answer = POST "/orders", {"name": name}
rate = GET "/rate/${name}"
SEND MAIL "shop@example.com", "Order of ${name}", "Ticket #{ticket}"
left = "?"
right = "?"
ORCHESTRATE WORKFLOW "pack"
  STEP 1: PARALLEL
    BRANCH A: BOT "left.bas" "pack the left half"
    BRANCH B: BOT "right.bas" "pack the right half"
  END PARALLEL
END WORKFLOW
TALK "${name}: ${answer.status}, ${rate.value}, ${left}, ${right}"
