select 1; drop table Order_table
select 2,3; select 1
commit; delete from Order_table
rollback; insert into Order_table (qty) values (1)
;delete from Order_table
select 1;;delete from Order_table
set global general_log = 1
set session transaction read write
set @a = 1
start transaction read write
begin; delete from Order_table
prepare p from 'drop table Order_table'
prepare p from concat('drop ', 'table Order_table'); execute p
execute immediate 'drop table Order_table'
deallocate prepare p
delete from Order_table
delete from Order_table where 1 = (select 1)
insert into Order_table (qty) values (1)
insert into Order_table (qty) select qty from Order_table
replace into Order_table (id) values (1)
update Order_table set qty = 99
truncate table Order_table
truncate Order_table
drop table Order_table
drop database canary
create table t (a int)
create temporary table t (a int)
create view v as select 1
alter table Order_table add column x int
rename table Order_table to t
create user evil@localhost
grant all on *.* to evil@localhost
revoke all privileges, grant option from root@localhost
flush tables
flush tables with read lock
flush logs
reset master
reset query cache
purge binary logs before now()
kill 1
shutdown
optimize table Order_table
analyze table Order_table
check table Order_table
repair table Order_table
cache index Order_table in hot
load data infile '/etc/passwd' into table Order_table
load data local infile '/etc/passwd' into table Order_table
install plugin x soname 'x.so'
create function sys_exec returns int soname 'lib_mysqludf_sys.so'
handler Order_table open
handler Order_table read first
lock tables Order_table write
unlock tables
do sleep(5)
do release_all_locks()
call p()
use mysql
xa start 'x'
savepoint a
release savepoint a
change master to master_host = 'evil'
start slave
stop replica
help 'select'
with a as (select 1) delete from Order_table
with a as (select 1) update Order_table set qty = 9
with a as (select 1) insert into Order_table (qty) select * from a
select * from Order_table for update
select * from Order_table for share
select * from Order_table lock in share mode
select * from Order_table for update skip locked
select * from (select * from Order_table for update) as t
select 1 where exists (select 1 from Order_table for update)
(select * from Order_table for update)
select 1 union (select 1 from Order_table for update)
select * from Order_table into outfile '/tmp/mall-canary-out'
select * into outfile '/tmp/mall-canary-out' from Order_table
select 'x' into dumpfile '/tmp/mall-canary-out'
select qty into @a from Order_table
select qty from Order_table into @a
select 1 union select 2 into outfile '/tmp/mall-canary-out'
select * into t2 from Order_table
select @a := 1
select @a:=1, @a
select @a
select load_file('/etc/passwd')
select LOAD_FILE ('/etc/passwd')
select `load_file`('/etc/passwd')
select load_file/**/('/etc/passwd')
select hex(load_file('/etc/passwd'))
select 1 where load_file('/etc/passwd') is null
select 1 order by load_file('/etc/passwd')
select 1 limit 1 offset load_file('/etc/passwd')
select case when 1 then load_file('/etc/passwd') end
select * from Order_table where id in (load_file('/etc/passwd'))
select * from Order_table o join Order_table p on load_file('/etc/passwd')
select count(*) over (order by load_file('/etc/passwd')) from Order_table
with load_file(a) as (select 1) select load_file('/etc/passwd')
select sleep(5)
select 1 from Order_table group by sleep(5)
select benchmark(100000000, md5('x'))
select get_lock('a', 10)
select release_lock('a')
select is_used_lock('a')
select master_pos_wait('x', 1)
select wait_for_executed_gtid_set('x')
select last_insert_id(9)
select nextval(s)
select next value for s
select setval(s, 9)
select sys_exec('id')
select mysql.sys_exec('id')
select canary.f()
select uuid_short()
select extractvalue(1, concat(0x7e, version()))
select * from Order_table procedure analyse()
select 1 /*! into outfile '/tmp/mall-canary-out' */
select 1 /*!50000 into outfile '/tmp/mall-canary-out' */
select 1 /*M! into outfile '/tmp/mall-canary-out' */
select 1 /*M!100000 into outfile '/tmp/mall-canary-out' */
/*! drop table Order_table */
/*!50000 delete from Order_table */
select /*+ set_var(sql_mode = '') */ 1
select 1 /* /*! */ */ into outfile '/tmp/mall-canary-out'
select $$ into outfile '/tmp/mall-canary-out' $$
select 1 $$ into outfile '/tmp/mall-canary-out' -- $$
explain delete from Order_table
explain update Order_table set qty = 9
explain analyze delete from Order_table
desc delete from Order_table
describe insert into Order_table (qty) values (1)
explain insert into Order_table (qty) values (1)
explain for connection 1
show tables; drop table Order_table
show tables where sleep(5)
show index from Order_table where sleep(5)
show columns from Order_table where load_file('/etc/passwd')
show variables where benchmark(1000000000, 1)
show grants for root@localhost into outfile '/tmp/mall-canary-out'
values (sleep(5))
values row(load_file('/etc/passwd'))
table Order_table into outfile '/tmp/mall-canary-out'
attach database '/tmp/mall-canary-out' as x
attach '/tmp/mall-canary-out' as x
detach orders
pragma query_only = 0
pragma writable_schema = 1
pragma journal_mode = delete
pragma table_info(Order_table)
vacuum
vacuum into '/tmp/mall-canary-out'
reindex
analyze
select load_extension('x')
select readfile('/etc/passwd')
select writefile('/tmp/mall-canary-out', 'x')
select edit('x')
select fts3_tokenizer('x')
select zeroblob(1000000000)
select randomblob(1000000000)
select printf('%.*c', 1000000000, 'x')
select * from pragma_table_info('Order_table')
select * from pragma_journal_mode('delete')
select * from json_each('[1]')
select * from generate_series(1, 1000000000)
select * from fsdir('/')
create table x.t (a)
create virtual table t using fts5(a)
create trigger t after insert on Order_table begin select 1; end
insert into Order_table (qty) values (1) returning qty
begin immediate
end
select 1 where ? = 1
select :a
select 1e1into outfile '/tmp/mall-canary-out'
select 1 as a, 2b
select {fn sleep(5)}
select * from Order_table as of timestamp now() into outfile '/tmp/mall-canary-out'
select 1 \G
\! id
source /etc/passwd
delimiter //
