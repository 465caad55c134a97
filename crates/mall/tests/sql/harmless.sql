select * from Order_table
select 1
select id, address as 'a b' from Order_table where qty > 1 order by id desc limit 2
select count(*), max(qty) from Order_table group by customerId having count(*) > 0
with a as (select qty from Order_table) select * from a union all select 2
with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n
select case when qty > 1 then 'many' else "one" end from `Order_table`
select exists (select 1 from Order_table where address like '%\_%')
select cast(qty as char(10)), coalesce(address, '-'), x'41' from Order_table -- what is ordered
select (select max(id) from Order_table) + 1, 'it''s', "so" /* a comment */
select o.id from Order_table o join Order_table p on o.id = p.id and p.qty in (1, 2, 3)
show tables
desc Order_table
explain select * from Order_table
table Order_table
