-- This number is held for a part that is made beside this one; its file takes the place of this.
select 1;
