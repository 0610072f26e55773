-- Keeps true: done once, whoever asks how often; the answer says what was done.
select o.changed, o.status, o.sentence from workflow_resume($1) o
