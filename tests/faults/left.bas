' left.bas: a child of world.bas.
#workflow
SET made = CREATE("left of ${name}")
packed = POST "/pack/left", {"name": name}
RETURN WITH packed.status AS left
