-- Keeps true: nobody is waited for who cannot be there any more. Only for a server that its owner has just started.
delete from workflow_daemons
