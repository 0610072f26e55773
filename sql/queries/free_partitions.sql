-- Keeps true: nobody is waited for who cannot be there any more. Only for a server that its owner has just started.
update workflow_partitions p set owner = null, lease_until = null where p.owner is not null
