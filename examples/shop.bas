' An order that asks a price, keeps a row, calls the warehouse and writes a mail, each of them once.
#workflow
HEAR product WITH "What would you like?"
offer = GET "https://shop.example.com/prices/${product}"
HEAR count AS INTEGER WITH "How many, at ${FORMAT(offer.price, "0.00")} each?"
HEAR email AS EMAIL WITH "Your e-mail address?"

total = count * offer.price
number = SAVE "orders", {"product": product, "count": count, "email": email, "total": total}
sent = POST "https://warehouse.example.com/parcels", {"order": number, "product": product, "count": count}
IF sent.status <> 201 THEN
  TALK "The warehouse says ${sent.status}. We keep order ${number} for you."
  END
END IF

thanks = LLM "Thank a customer in one sentence for buying ${count} ${product}"
SEND MAIL email, "Order ${number}", "${thanks} Parcel ${sent.parcel} is on its way: ${FORMAT(total, "0.00")} in all."
TALK "Done. Parcel ${sent.parcel} is on its way."
