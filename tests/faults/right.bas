' right.bas: a child of world.bas.
#workflow
SET made = CREATE("right of ${name}")
packed = POST "/pack/right", {"name": name}
RETURN WITH packed.status AS right
