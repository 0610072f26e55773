-- Keeps true: a turn finds the month it belongs to.
select workflow_make_history()
