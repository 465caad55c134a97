//! The MySQL adapter against a real MariaDB or MySQL server, whose address is in `MALL_TEST_MYSQL`.

mod basics;
mod faults;
mod letters;
mod migration;
mod parked;
mod races;
mod rights;
mod sorting;

mod database;
mod proxy;
mod words;
