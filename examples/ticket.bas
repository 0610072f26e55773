' ticket.bas
#workflow
TALK "Describe the issue"
HEAR description
SET ticket = CREATE(description)
TALK "Ticket #{ticket} created"
