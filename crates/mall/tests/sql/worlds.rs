//! Databases with something in them that must not change.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::http::post;
use super::support::stack::Stack;
use super::support::tools::mariadb;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub trait World {
    /// Runs `mall sql`.
    fn sql(&self, statement: &str) -> Ended;
    /// Everything that no statement may change.
    fn state(&self) -> BTreeMap<String, String>;
}

pub fn ended(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The embedded databases of a mall that took an order, and stopped.
pub struct Embedded(Stack);

impl Embedded {
    pub fn new() -> Self {
        let stack = Stack::embedded();
        let mut order = stack.role("order", &[]);
        let placed = post(
            order.address(),
            "/orders",
            &[
                ("customerId", "2000"),
                ("productId", "100"),
                ("productName", "RADIO"),
                ("qty", "3"),
                ("address", "PUSAN"),
            ],
        );
        assert_eq!(placed.status, 201, "{placed:?}");
        let mut delivery = stack.role("delivery", &[]);
        order.stop();
        delivery.stop();
        Self(stack)
    }
}

impl World for Embedded {
    fn sql(&self, statement: &str) -> Ended {
        ended(&mut self.0.bare(&["sql", "--data", "mall-data", "--", statement]))
    }

    fn state(&self) -> BTreeMap<String, String> {
        let mut state = contents(&self.0.folder.path().join("mall-data"));
        // Where readers of a WAL note what they read: memory, kept in a file.
        state
            .retain(|name, content| !name.ends_with("-shm") && (!name.ends_with("-wal") || !content.starts_with("0 ")));
        state.insert("a file".into(), Path::new("/tmp/mall-canary-out").exists().to_string());
        state
    }
}

/// Length and hash of each file of a folder.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let entries = std::fs::read_dir(folder).expect("the data folder");
    let files = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file());
    files
        .map(|path| {
            let bytes = std::fs::read(&path).expect("a file");
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, format!("{} {:x}", bytes.len(), hasher.finish()))
        })
        .collect()
}

/// A database on the server, with a table, a function, a procedure and a sequence of numbers.
pub struct Server(Stack);

const CANARY: [&str; 5] = [
    "create table Order_table (id bigint not null auto_increment primary key, customerId bigint, qty int, address varchar(255))",
    "insert into Order_table (customerId, qty, address) values (2000, 3, 'PUSAN'), (2001, 1, '서울'), (2000, 2, null)",
    "create table touched (n int)",
    "create function f() returns int deterministic modifies sql data begin insert into touched values (1); return 1; end",
    "create procedure p() insert into touched values (2)",
];

impl Server {
    pub fn new() -> Self {
        let server = Self(Stack::real());
        let real = server.0.real.as_ref().expect("a real stack");
        let made = mariadb(
            real,
            &format!("create database `{}` character set utf8mb4", real.database),
        );
        assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
        for statement in CANARY {
            server.ask(&format!("delimiter //\n{statement}//"));
        }
        server
    }

    fn ask(&self, statement: &str) -> String {
        let real = self.0.real.as_ref().expect("a real stack");
        let answer = mariadb(real, &format!("use `{}`;\n{statement}", real.database)).expect("the client runs");
        assert!(answer.status.success(), "{statement}: {answer:?}");
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }
}

impl World for Server {
    fn sql(&self, statement: &str) -> Ended {
        let real = self.0.real.as_ref().expect("a real stack");
        let url = format!("{}/{}", real.mysql, real.database);
        ended(&mut self.0.bare(&["sql", "--database-url", &url, "--", statement]))
    }

    fn state(&self) -> BTreeMap<String, String> {
        let asked = [
            ("rows", "checksum table Order_table, touched"),
            ("tables", "show full tables"),
            ("shapes", "show create table Order_table; show create table touched"),
            (
                "routines",
                "select routine_name, routine_definition from information_schema.routines where routine_schema = database() order by 1",
            ),
            (
                "settings",
                "select @@global.general_log, @@global.sql_mode, @@global.event_scheduler, @@global.local_infile, @@global.init_connect",
            ),
            ("accounts", "select count(*) from mysql.user where user = 'evil'"),
            (
                "databases",
                "select count(*) from information_schema.schemata where schema_name in ('mysql', database())",
            ),
        ];
        let mut state: BTreeMap<String, String> = asked.map(|(name, asked)| (name.to_owned(), self.ask(asked))).into();
        state.insert("a file".into(), Path::new("/tmp/mall-canary-out").exists().to_string());
        state
    }
}
