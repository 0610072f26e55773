-- Keeps true: a question that was refused leaves nothing behind. For the first of a transaction: nothing is undone but it.
rollback and chain
