//! The data folder: what is gone of it is noticed at the start, what was copied whole works, and it is its owner's alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use super::program::FREE_PORTS;
use super::support::http::{get, patch, post};
use super::support::role::Role;
use super::support::stack::Stack;
use super::support::wait_for;

const FIELDS: [(&str, &str); 5] = [
    ("customerId", "2000"),
    ("productId", "100"),
    ("productName", "RADIO"),
    ("qty", "3"),
    ("address", "PUSAN"),
];
const FILES: [&str; 3] = ["log.db", "orders.db", "deliveries.db"];

fn data(stack: &Stack) -> PathBuf {
    stack.folder.path().join("mall-data")
}

struct Mall {
    order: Role,
    delivery: Role,
}

impl Mall {
    #[track_caller]
    fn start(stack: &Stack) -> Self {
        Self {
            order: stack.role("order", &[]),
            delivery: stack.role("delivery", &["--modify-delay", "0s"]),
        }
    }

    /// Places an order and waits until it is delivered; its number.
    #[track_caller]
    fn place(&self) -> i64 {
        let id = post(self.order.address(), "/orders", &FIELDS).id();
        self.wait_delivery(id);
        id
    }

    #[track_caller]
    fn wait_delivery(&self, order: i64) {
        let path = format!("/deliveries/search/findByOrderId?id={order}");
        wait_for(&format!("the delivery of order {order}"), || {
            (get(self.delivery.address(), &path).status == 200).then_some(())
        });
    }

    #[track_caller]
    fn stop(mut self) {
        assert_eq!(self.order.stop(), Some(0), "{}", self.order.said());
        assert_eq!(self.delivery.stop(), Some(0), "{}", self.delivery.said());
    }
}

/// A folder in which orders 1 and 2 were placed and delivered, and order 1 changed.
fn used() -> Stack {
    let stack = Stack::embedded();
    let mall = Mall::start(&stack);
    mall.place();
    mall.place();
    patch(mall.order.address(), "/orders/1", &[("address", "SEOUL")]);
    wait_for("the change is delivered", || {
        let delivery = get(mall.delivery.address(), "/deliveries/search/findByOrderId?id=1");
        delivery.body.contains("SEOUL").then_some(())
    });
    mall.stop();
    stack
}

fn with_sqlites(path: &Path) -> Vec<PathBuf> {
    let end = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    ["", "-wal", "-shm"].map(end).into()
}

fn remove(path: &Path) {
    for path in with_sqlites(path) {
        let _ = fs::remove_file(path);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for file in FILES.iter().flat_map(|name| with_sqlites(Path::new(name))) {
        if from.join(&file).exists() {
            fs::copy(from.join(&file), to.join(&file)).expect("copied");
        }
    }
}

/// Both roles end with 2 and a sentence with these words.
#[track_caller]
fn refused(stack: &Stack, words: &[&str]) {
    for role in ["order", "delivery"] {
        let mut started = Role::start(role, stack.command(&[role]).args(["--port", "0"]));
        assert_eq!(started.wait_exit().code(), Some(2), "{}", started.said());
        let said = started.said();
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    }
}

#[track_caller]
fn accept(stack: &Stack) -> Option<i32> {
    let ended = stack.run(&["reset", "--accept-loss", "--yes"]);
    eprintln!("{}", String::from_utf8_lossy(&ended.stderr));
    ended.status.code()
}

/// What a person may choose to go on without is made good: no number is given out twice, and no delivery is missing.
#[track_caller]
fn goes_on(stack: &Stack, lost: &str) {
    assert_eq!(accept(stack), Some(0));
    let mall = Mall::start(stack);
    mall.wait_delivery(1);
    mall.wait_delivery(2);
    assert_eq!(mall.place(), 3);
    if lost != "orders.db" {
        let verified = stack.run(&["verify", "--wait", "30s"]);
        assert_eq!(
            verified.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&verified.stdout)
        );
    }
    mall.stop();
    assert_eq!(accept(stack), Some(0), "nothing is gone any more");
    Mall::start(stack).stop();
}

#[test]
fn a_file_that_is_missing_is_noticed_and_can_be_gone_on_without() {
    for (file, lost) in [
        ("orders.db", "order numbers up to 2 would be given out a second time"),
        ("deliveries.db", "deliveries are gone"),
        ("log.db", "events are gone"),
    ] {
        let stack = used();
        remove(&data(&stack).join(file));
        refused(&stack, &[&format!("{file} is missing"), lost, "mall reset"]);
        assert!(!data(&stack).join(file).exists(), "a refused start creates nothing");
        goes_on(&stack, file);
    }
}

#[test]
fn a_file_that_was_cut_to_nothing_is_noticed_and_can_be_gone_on_without() {
    for file in FILES {
        let stack = used();
        fs::File::create(data(&stack).join(file)).expect("cut");
        refused(&stack, &[&format!("{file} is empty"), "mall reset"]);
        goes_on(&stack, file);
    }
}

#[test]
fn an_older_copy_of_one_file_is_noticed_and_one_of_all_works() {
    let stack = used();
    let (data, older, newer) = (
        data(&stack),
        stack.folder.path().join("older"),
        stack.folder.path().join("newer"),
    );
    copy(&data, &older);
    let mall = Mall::start(&stack);
    assert_eq!(mall.place(), 3);
    mall.stop();
    copy(&data, &newer);
    for file in FILES {
        remove(&data.join(file));
        fs::copy(older.join(file), data.join(file)).expect("restored");
        refused(&stack, &[&format!("{file} is older than")]);
        if file == "orders.db" {
            assert_eq!(
                accept(&stack),
                Some(2),
                "orders would go on from versions that are taken"
            );
        }
        FILES.iter().for_each(|file| remove(&data.join(file)));
        copy(&newer, &data);
    }
    FILES.iter().for_each(|file| remove(&data.join(file)));
    copy(&older, &data);
    let mall = Mall::start(&stack);
    assert_eq!(mall.place(), 3);
    mall.stop();
}

/// A write-ahead log that is deleted after a crash takes commits with it. That it was there is known to the neighbours
/// within a second.
#[test]
fn a_lost_write_ahead_log_is_noticed() {
    let stack = Stack::embedded();
    let mut mall = Mall::start(&stack);
    mall.place();
    let seen = || {
        let log = Connection::open(data(&stack).join("log.db")).ok()?;
        let select = "select highest from neighbour where file = 'orders.db'";
        log.query_row(select, [], |row| row.get::<_, i64>(0)).ok()
    };
    wait_for("the log knows of order 1", || (seen() == Some(1)).then_some(()));
    mall.order.kill();
    mall.delivery.kill();
    let path = data(&stack).join("orders.db");
    assert!(path.with_extension("db-wal").exists());
    for file in &with_sqlites(&path)[1..] {
        fs::remove_file(file).expect("removed");
    }
    // Nothing had been copied back from it yet, so that not even the tables are left.
    refused(&stack, &["orders.db is "]);
}

#[test]
fn files_of_two_folders_are_not_mixed() {
    let (one, other) = (used(), used());
    for file in FILES {
        let (here, there) = (data(&one).join(file), data(&other).join(file));
        let kept = here.with_extension("kept");
        fs::rename(&here, &kept).expect("moved");
        fs::copy(&there, &here).expect("copied");
        refused(&one, &["belong to different data folders"]);
        assert_eq!(accept(&one), Some(2));
        remove(&here);
        fs::rename(&kept, &here).expect("moved back");
    }
    Mall::start(&one).stop();
}

/// As they were before files knew each other, and as a copy of the three files alone is.
#[test]
fn an_older_folder_is_taken_over_with_all_that_is_in_it() {
    let stack = used();
    let data = data(&stack);
    for file in FILES {
        let file = Connection::open(data.join(file)).expect("it opens");
        file.execute_batch("drop table folder; drop table neighbour")
            .expect("they are there");
    }
    let only_these = stack.folder.path().join("copy");
    copy(&data, &only_these);
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&only_these, &data).expect("renamed");
    let mall = Mall::start(&stack);
    assert_eq!(mall.place(), 3);
    mall.stop();
    remove(&data.join("deliveries.db"));
    refused(&stack, &["deliveries.db is missing"]);
}

#[test]
fn a_tool_does_not_put_a_new_log_where_one_is_gone() {
    let stack = used();
    remove(&data(&stack).join("log.db"));
    let created = stack.run(&["kafka-topics", "--create", "--topic", "other"]);
    let said = String::from_utf8_lossy(&created.stdout) + String::from_utf8_lossy(&created.stderr);
    assert!(said.contains("log.db is missing"), "{said}");
    assert!(!data(&stack).join("log.db").exists());
    let doctor = stack.run(&[&["doctor"], &FREE_PORTS[..]].concat());
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("WRONG") && said.contains("log.db is missing"), "{said}");
}

fn open_to_others(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let mut open = Vec::new();
    for path in entries.chain([dir.to_owned()]) {
        let mode = fs::symlink_metadata(&path).expect("it is there").mode() & 0o777;
        if mode & 0o077 != 0 {
            open.push(format!("{} {mode:o}", path.display()));
        }
    }
    open
}

#[test]
fn folder_and_files_are_their_owners_alone_whatever_the_mask() {
    let stack = Stack::embedded();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\""]);
    command
        .arg(env!("CARGO_BIN_EXE_mall"))
        .args(["order", "--port", "0", "--data"]);
    let order = Role::start("order", command.arg(data(&stack)).current_dir(stack.folder.path()));
    let delivery = stack.role("delivery", &["--modify-delay", "0s"]);
    let mall = Mall { order, delivery };
    mall.place();
    assert_eq!(open_to_others(&data(&stack)), Vec::<String>::new(), "while it runs");
    assert_eq!(open_to_others(&data(&stack).join("log.members")), Vec::<String>::new());
    mall.stop();

    for name in ["log.db", "orders.db.door"] {
        let path = data(&stack).join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("ours");
    }
    fs::set_permissions(data(&stack), fs::Permissions::from_mode(0o755)).expect("ours");
    let doctor = stack.run(&[&["doctor"], &FREE_PORTS[..]].concat());
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(
        said.contains("other users than their owner may open or enter 3"),
        "{said}"
    );
    let mall = Mall::start(&stack);
    mall.order.wait_line("could be opened by other users");
    mall.order.wait_line("could be entered by other users");
    assert_eq!(open_to_others(&data(&stack)), Vec::<String>::new());
    mall.stop();
}
