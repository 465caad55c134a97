//! The database taken away, in each way that a network and a server know.
//!
//! The services reach it through a gate and with an account of their own: root may write where others may not any more.

use std::time::Duration;

use super::gate::{Gate, HTTP, Mode};
use super::losses::{Loss, Mall, NO_DATABASE, NO_WRITES};
use super::support::stack::{Real, Stack};
use super::support::tools::mariadb;

const PASSWORD: &str = "mall";
/// Longer than any call to the database may take.
const SLOW: Duration = Duration::from_secs(4);
const GARBAGE: &[u8] = &[0xff; 600];
/// As a server says it in its greeting's stead.
const TOO_MANY: &[u8] = b"\x17\x00\x00\x00\xff\x10\x04Too many connections";
const SHUTTING_DOWN: &[u8] = b"\x1e\x00\x00\x00\xff\x1d\x04Server shutdown in progress";

/// What an account of the services may do, and who undoes what was done to it.
struct Account {
    root: Real,
    name: String,
}

impl Account {
    #[track_caller]
    fn new(root: &Real) -> Self {
        let account = Self {
            name: format!("u{}", root.database.trim_start_matches("mall-")),
            root: root.clone(),
        };
        let (name, database) = (&account.name, &root.database);
        account.run(&format!("create user '{name}'@'%' identified by '{PASSWORD}'"));
        account.run(&format!("grant all on `{database}`.* to '{name}'@'%'"));
        account
    }

    fn url(&self, gate: &Gate) -> String {
        format!("mysql://{}:{PASSWORD}@{}", self.name, gate.address)
    }

    #[track_caller]
    fn run(&self, statements: &str) {
        let output = mariadb(&self.root, statements).expect("the client runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{statements}: {said}");
    }

    /// Ends the sessions of the account, as a server does that is demoted or shut down.
    fn end_sessions(&self) {
        let ids = format!(
            "select id from information_schema.processlist where user = '{}'",
            self.name
        );
        let output = mariadb(&self.root, &ids).expect("the client runs");
        for id in String::from_utf8_lossy(&output.stdout).split_whitespace() {
            // It may be gone by itself.
            let _ = mariadb(&self.root, &format!("kill {id}"));
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let name = &self.name;
        let _ = mariadb(&self.root, "set global read_only = 0");
        self.end_sessions();
        let _ = mariadb(&self.root, &format!("drop user if exists '{name}'@'%'"));
    }
}

#[test]
fn the_database_is_lost_in_each_way_of_a_network() {
    let _alone = super::alone();
    through_a_gate(|mall, gate, _| {
        let ways = [
            ("connections are refused", Mode::Refused),
            ("packets vanish", Mode::BlackHole),
            ("the server is slow", Mode::Slow(SLOW)),
            ("another program answers", Mode::Says(HTTP)),
            ("garbage is answered", Mode::Says(GARBAGE)),
            ("there are too many connections", Mode::Says(TOO_MANY)),
            ("the server is shutting down", Mode::Says(SHUTTING_DOWN)),
        ];
        mall.survives_at(gate, NO_DATABASE, &ways);
    });
}

#[test]
fn the_database_is_lost_in_each_way_of_a_server() {
    let _alone = super::alone();
    through_a_gate(|mall, _, account| {
        let (name, database) = (&account.name, &account.root.database);
        let tables = ["order_event", "Delivery_table"];
        let aside = |from: &str, to: &str| {
            let moved = tables.map(|table| format!("rename table `{from}`.{table} to `{to}`.{table}"));
            account.run(&moved.join("; "));
        };
        let rows = [
            Loss {
                name: "the server is read-only",
                told: NO_WRITES,
                take: &|| account.run("set global read_only = 1"),
                give: &|| account.run("set global read_only = 0"),
            },
            Loss {
                name: "there is no room",
                told: NO_WRITES,
                take: &|| no_room(account),
                give: &|| room(account),
            },
            Loss {
                name: "the rights to write are taken away",
                told: NO_WRITES,
                take: &|| {
                    account.run(&format!(
                        "revoke all on `{database}`.* from '{name}'@'%'; grant select on `{database}`.* to '{name}'@'%'"
                    ));
                    account.end_sessions();
                },
                give: &|| account.run(&format!("grant all on `{database}`.* to '{name}'@'%'")),
            },
            Loss {
                name: "tables are gone, and restored",
                told: NO_WRITES,
                take: &|| {
                    account.run(&format!("create database `{database}-aside`"));
                    aside(database, &format!("{database}-aside"));
                },
                give: &|| {
                    aside(&format!("{database}-aside"), database);
                    account.run(&format!("drop database `{database}-aside`"));
                },
            },
            Loss {
                name: "the password is changed",
                told: NO_DATABASE,
                take: &|| {
                    account.run(&format!("alter user '{name}'@'%' identified by 'another'"));
                    account.end_sessions();
                },
                give: &|| account.run(&format!("alter user '{name}'@'%' identified by '{PASSWORD}'")),
            },
            Loss {
                name: "the account is locked",
                told: NO_DATABASE,
                take: &|| {
                    account.run(&format!("alter user '{name}'@'%' account lock"));
                    account.end_sessions();
                },
                give: &|| account.run(&format!("alter user '{name}'@'%' account unlock")),
            },
        ];
        for row in &rows {
            mall.survives(row);
        }
    });
}

/// A peer that is gone without a word costs whoever was talking to it, and nobody after that: it is no outage to be told
/// of for long, but nothing may be lost in it and everything must go on by itself.
#[test]
fn the_databases_peer_is_gone_without_a_word() {
    let _alone = super::alone();
    through_a_gate(|mall, gate, _| mall.goes_on("half-open connections", &|| gate.set(Mode::HalfOpen)));
}

#[test]
fn doctor_says_what_is_the_matter_with_the_database_and_what_helps() {
    let _alone = super::alone();
    through_a_gate(|mall, gate, account| {
        let port = mall.order.address().port().to_string();
        let said = || {
            let ports = ["--order-port", &port, "--delivery-port", "0", "--gateway-port", "0"];
            let output = mall.stack.run(&[&["doctor"], &ports[..]].concat());
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let wrong = |line: &str, remedy: &str| {
            super::wait_for(&format!("doctor to say {line:?} and {remedy:?}"), || {
                let said = said();
                let mut lines = said
                    .lines()
                    .skip_while(|said| !(said.starts_with("WRONG") && said.contains(line)));
                (lines.next().is_some() && lines.next()?.contains(remedy)).then_some(())
            });
        };
        let fine = said();
        assert!(fine.contains("takes what the order service writes"), "{fine}");
        assert!(fine.contains("takes what the delivery service writes"), "{fine}");
        assert!(!fine.contains("WRONG"), "{fine}");
        account.run("set global read_only = 1");
        wrong("the delivery service can't write", "switch read_only off");
        wrong("the order service reports \"writable\"", "takes writes");
        account.run("set global read_only = 0");
        gate.set(Mode::Says(TOO_MANY));
        wrong("can't be used", "max_connections");
        wrong("the order service reports \"database\"", "goes on by itself");
    });
}

/// The tables of the journals say what a full one says. (A really full disk is taken away from everybody.)
fn no_room(account: &Account) {
    let database = &account.root.database;
    for journal in ["order_event", "delivery_event"] {
        account.run(&format!(
            "create trigger `{database}`.{journal}_full before insert on `{database}`.{journal} for each row \
             signal sqlstate 'HY000' set mysql_errno = 1114, message_text = 'The table is full'"
        ));
    }
}

fn room(account: &Account) {
    let database = &account.root.database;
    for journal in ["order_event", "delivery_event"] {
        account.run(&format!("drop trigger `{database}`.{journal}_full"));
    }
}

#[track_caller]
fn through_a_gate(test: impl FnOnce(&mut Mall<'_>, &Gate, &Account)) {
    let mut stack = Stack::real();
    let real = stack.real.as_mut().expect("it is real");
    let account = Account::new(real);
    let host = real.mysql.rsplit('@').next().expect("a host").to_owned();
    let gate = Gate::to(&host);
    real.database_door = Some(account.url(&gate));
    let mut mall = Mall::start(&stack);
    test(&mut mall, &gate, &account);
}
