-- Keeps true: there is one clock. $1 moment.
update workflow_test_clock set moment = $1
