//! What happens to the embedded files while the mall runs: no room, no writes, removed, kept by somebody else.
//!
//! Each loss shows four things: a write is answered 503 with a time to come back and reads go on, the role says that it is
//! not ready and why, it tells so once and once that it is over, and it goes on by itself with nothing lost or doubled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use keylane_log::turnstile::Turnstile;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::Value;

use super::support::http::{Answer, get, post};
use super::support::role::Role;
use super::support::stack::Stack;
use super::support::wait_for;
use super::traffic::ORDER;
use super::{alone, everything_arrived, is_a_problem};

/// Beyond this nobody may wait for an answer.
const ANSWER: Duration = Duration::from_secs(2);
const NO_WRITES: &str = "the database takes no writes";
const NO_DATABASE: &str = "the database can't be used";
const NO_LOG: &str = "the log takes no events";

struct Mall {
    stack: Stack,
    order: Role,
    delivery: Role,
    placed: Vec<i64>,
}

impl Mall {
    /// Order and delivery service in a folder of their own, and an order that was delivered.
    #[track_caller]
    fn start() -> Self {
        let stack = Stack::embedded();
        let order = role(&stack, "order");
        let delivery = role(&stack, "delivery");
        let mut mall = Self {
            stack,
            order,
            delivery,
            placed: Vec::new(),
        };
        mall.place();
        everything_arrived(&mall.stack, &mall.placed);
        mall
    }

    fn file(&self, name: &str) -> PathBuf {
        self.stack.folder.path().join("mall-data").join(name)
    }

    #[track_caller]
    fn place(&mut self) {
        let placed = self.post();
        assert_eq!(placed.status, 201, "{placed:?}");
        self.placed.push(placed.id());
    }

    #[track_caller]
    fn post(&self) -> Answer {
        let asked = Instant::now();
        let answer = post(self.order.address(), "/orders", &ORDER);
        assert!(asked.elapsed() < ANSWER, "{:?}: {answer:?}", asked.elapsed());
        answer
    }

    /// Orders are refused, whoever asks again and again, and can be read.
    #[track_caller]
    fn refuses(&self) {
        for _ in 0..5 {
            let refused = self.post();
            assert_eq!(refused.status, 503, "{refused:?}");
            is_a_problem(&refused);
            assert_eq!(get(self.order.address(), "/orders/1").status, 200, "reads go on");
        }
    }

    /// All is as if nothing had been: what was answered is there once, and orders are taken.
    #[track_caller]
    fn goes_on(mut self) {
        for role in [&self.order, &self.delivery] {
            wait_for("a role that is ready", || {
                (get(role.address(), "/readyz").status == 200).then_some(())
            });
        }
        self.place();
        everything_arrived(&self.stack, &self.placed);
        let verified = self.stack.run(&["verify", "--wait", "30s"]);
        assert_eq!(
            verified.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&verified.stdout)
        );
        let count = get(self.order.address(), "/orders").json()["page"]["totalElements"].clone();
        assert_eq!(count, Value::from(self.placed.len()), "what was refused isn't done");
        assert_eq!(self.order.stop(), Some(0), "{}", self.order.said());
        assert_eq!(self.delivery.stop(), Some(0), "{}", self.delivery.said());
    }
}

/// A write behind a limit on the size of files sends a signal that ends a process unless it is ignored.
fn role(stack: &Stack, name: &str) -> Role {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command
        .arg(env!("CARGO_BIN_EXE_mall"))
        .args([name, "--port", "0", "--data"]);
    command
        .arg(stack.folder.path().join("mall-data"))
        .current_dir(stack.folder.path());
    let role = Role::start(name, &mut command);
    role.address();
    role
}

/// No file may grow, or be written at all: what a full disk, a used-up quota and a disk with errors look like.
fn limit(role: &Role, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(role.pid()), Resource::Fsize, limit).expect("a child's limits can be set");
}

/// Waits until the role is not ready because of this check; what it says about it.
#[track_caller]
fn not_ready(role: &Role, check: &str) -> String {
    wait_for(&format!("{check} to be down"), || {
        let ready = get(role.address(), "/readyz");
        let told = ready.json()["checks"][check].clone();
        (ready.status == 503 && told["status"] == "DOWN").then(|| told["message"].to_string())
    })
}

#[test]
fn a_disk_without_room_is_waited_out() {
    let _alone = alone();
    let mall = Mall::start();
    for role in [&mall.order, &mall.delivery] {
        limit(role, Some(0));
    }
    mall.refuses();
    for role in [&mall.order, &mall.delivery] {
        not_ready(role, "writable");
    }
    // The probes in between must not take a database that can be read for one that is well.
    role_says(&mall.order, NO_WRITES);
    mall.refuses();
    for role in [&mall.order, &mall.delivery] {
        limit(role, None);
    }
    mall.order.told_once(NO_WRITES);
    mall.delivery.told_once(NO_WRITES);
    mall.goes_on();
}

#[track_caller]
fn role_says(role: &Role, sentence: &str) {
    role.wait_line(sentence);
}

/// Moved away, and put back.
#[test]
fn files_that_are_removed_are_not_written_and_can_be_put_back() {
    let _alone = alone();
    for name in ["orders.db", "orders.db-wal"] {
        let mall = Mall::start();
        let (path, aside) = (mall.file(name), mall.file("aside"));
        fs::rename(&path, &aside).expect("moved");
        let refused = mall.post();
        assert_eq!(refused.status, 503, "{refused:?}");
        is_a_problem(&refused);
        let why = not_ready(&mall.order, "writable");
        assert!(why.contains(&format!("{name} was removed or replaced")), "{why}");
        put_back(&aside, &path);
        mall.order.told_once(NO_WRITES);
        mall.goes_on();
    }
}

fn put_back(aside: &Path, path: &Path) {
    fs::rename(aside, path).expect("moved back");
}

/// Neither the relay nor the member of the group ends: both wait, and go on when the log is back.
#[test]
fn a_log_that_is_removed_is_waited_for() {
    let _alone = alone();
    let mut mall = Mall::start();
    let (path, aside) = (mall.file("log.db"), mall.file("aside"));
    fs::rename(&path, &aside).expect("moved");
    mall.place();
    let told = wait_for("the log to be down", || {
        let log = get(mall.order.address(), "/readyz").json()["checks"]["log"].clone();
        (log["status"] == "DOWN").then(|| log["message"].to_string())
    });
    assert!(told.contains("log.db was deleted or replaced"), "{told}");
    role_says(&mall.delivery, "the log can't be read");
    put_back(&aside, &path);
    mall.order.told_once(NO_LOG);
    mall.delivery.told_once("the log can't be read");
    mall.goes_on();
}

/// Whoever may open the lock files can keep them; that one is named.
#[test]
fn somebody_who_keeps_a_database_is_named() {
    let _alone = alone();
    let mall = Mall::start();
    let mut keeper = Turnstile::open(&mall.file("orders.db")).expect("it opens");
    let turn = keeper.enter(Duration::from_secs(10)).expect("a turn");
    mall.refuses();
    let why = not_ready(&mall.order, "database");
    assert!(
        why.contains(&format!("process {} has kept others", std::process::id())),
        "{why}"
    );
    mall.refuses();
    drop(turn);
    mall.order.told_once(NO_DATABASE);
    mall.goes_on();
}

#[test]
fn somebody_who_keeps_the_log_is_named_and_orders_wait() {
    let _alone = alone();
    let mut mall = Mall::start();
    let mut keeper = Turnstile::open(&mall.file("log.db")).expect("it opens");
    let turn = keeper.enter(Duration::from_secs(10)).expect("a turn");
    mall.place();
    let told = wait_for("the log to be down", || {
        let log = get(mall.order.address(), "/readyz").json()["checks"]["log"].clone();
        (log["status"] == "DOWN").then(|| log["message"].to_string())
    });
    assert!(
        told.contains(&format!("process {} has kept others", std::process::id())),
        "{told}"
    );
    drop(turn);
    mall.order.told_once(NO_LOG);
    mall.goes_on();
}
