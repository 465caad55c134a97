//! A reader with some terminals, who types what a README says and waits for what it expects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use super::said::missing;
use super::text::{Block, Typed, What};
use crate::support::role::Role;
use crate::support::stack::{Real, Stack};
use crate::support::tools::mariadb_table;
use crate::support::{PATIENCE, http, required, wait_for};

/// How long a modification takes instead of the course's ten seconds: long enough for a busy machine to send the requests
/// that follow it. `MALL_TEST_COURSE_DELAY=10s` follows the README as written.
fn delay() -> String {
    std::env::var("MALL_TEST_COURSE_DELAY").unwrap_or_else(|_| "5s".to_owned())
}

pub struct Walk {
    /// Makes a stack on which nothing has happened.
    new_stack: fn() -> Stack,
    stack: Stack,
    /// The stacks before a reset.
    left: Vec<Stack>,
    variables: Vec<(String, String)>,
    terminals: BTreeMap<u32, Terminal>,
    /// Where something was typed last.
    last: u32,
    /// Where the order service is, behind the port that a README names.
    orders: Option<SocketAddr>,
}

#[derive(Default)]
struct Terminal {
    /// What runs there and does not end by itself.
    running: Option<Running>,
    /// The commands of the last block that ended, and what each has said.
    ended: Vec<(Vec<String>, Vec<String>)>,
}

struct Running {
    process: Role,
    words: Vec<String>,
    /// How many of its lines the expectations have passed.
    read: usize,
}

impl Walk {
    /// A reader with this locale.
    pub fn new(new_stack: fn() -> Stack, locale: &str) -> Self {
        Self {
            new_stack,
            stack: new_stack(),
            left: Vec::new(),
            variables: vec![("MALL_MODIFY_DELAY".into(), delay()), ("LC_ALL".into(), locale.into())],
            terminals: BTreeMap::new(),
            last: 0,
            orders: None,
        }
    }

    /// Types what the block says, or waits for what it expects.
    #[track_caller]
    pub fn follow(&mut self, block: &Block) {
        match &block.what {
            What::Typed(typed) => {
                self.terminals.values_mut().for_each(|terminal| terminal.ended.clear());
                typed.iter().for_each(|typed| self.type_in(&block.place, typed));
            }
            What::Expected { terminals, lines } => self.expect(&block.place, terminals, lines),
        }
    }

    /// Ends what still runs.
    #[track_caller]
    pub fn end(&mut self) {
        let running: Vec<u32> = self.terminals.keys().copied().collect();
        running.into_iter().for_each(|number| self.interrupt(number));
    }

    #[track_caller]
    fn type_in(&mut self, place: &str, typed: &Typed) {
        match typed {
            Typed::Export(name, value) => {
                let value = self.localised(value);
                self.variables.push((name.clone(), value));
            }
            Typed::Interrupt(number) => self.interrupt(*number),
            Typed::Command(number, words) => {
                self.last = *number;
                let busy = self.terminals.entry(*number).or_default().running.is_some();
                assert!(
                    !busy,
                    "{place}: something runs in terminal {number} when {words:?} is typed"
                );
                match stays(words) {
                    true => self.start(*number, words),
                    false => self.run(place, *number, words),
                }
            }
        }
    }

    #[track_caller]
    fn interrupt(&mut self, number: u32) {
        let Some(mut running) = self.terminals.entry(number).or_default().running.take() else {
            return;
        };
        running.process.signal(Signal::INT);
        let code = running.process.wait_exit().code();
        assert!(
            code == Some(0) || running.words.iter().any(|word| word == "kafka-console-consumer"),
            "Ctrl-C ended {:?} with {code:?}",
            running.words
        );
    }

    /// Starts what does not end by itself, and finds out where the order service listens.
    #[track_caller]
    fn start(&mut self, number: u32, words: &[String]) {
        let mut command = self.mall(words);
        let role = role_of(words);
        match role {
            "up" => drop(command.args(["--order-port=0", "--delivery-port=0", "--gateway-port=0"])),
            "delivery" => drop(command.args(["--port=0".to_owned(), format!("--name={}", self.next_name())])),
            "order" | "gateway" => drop(command.arg("--port=0")),
            _ => {}
        }
        let process = Role::start(&words.join(" "), &mut command);
        if matches!(role, "order" | "up") {
            let listens =
                |line: &str| line.contains("listening on http://") && (role == "order" || line.starts_with("order"));
            let line = process.wait_behind(&mut 0, "the order service's address", listens);
            let address = line
                .split("listening on http://")
                .nth(1)
                .and_then(|rest| rest.parse().ok());
            self.orders = Some(address.unwrap_or_else(|| panic!("no address in {line:?}")));
        }
        let running = Running {
            process,
            words: words.to_vec(),
            read: 0,
        };
        self.terminals.entry(number).or_default().running = Some(running);
    }

    /// The name that the next instance has on its usual port.
    fn next_name(&self) -> String {
        let running = self.terminals.values().filter_map(|terminal| terminal.running.as_ref());
        let instances = running.filter(|running| role_of(&running.words) == "delivery").count();
        format!("delivery-{}", instances + 1)
    }

    #[track_caller]
    fn run(&mut self, place: &str, number: u32, words: &[String]) {
        let said = self.answer(place, words);
        let terminal = self.terminals.entry(number).or_default();
        terminal.ended.push((words.to_vec(), said));
        if words.get(1).is_some_and(|command| command == "reset") && self.stack.real.is_some() {
            // What the README says about starting over there is done by a new topic, group and database.
            let fresh = (self.new_stack)();
            self.left.push(std::mem::replace(&mut self.stack, fresh));
            self.relocate();
        }
    }

    /// Lets the variables name the new stack.
    fn relocate(&mut self) {
        let Some(real) = &self.stack.real else { return };
        for (name, value) in &mut self.variables {
            if name == "MALL_DATABASE_URL" {
                *value = real.database_url();
            }
        }
    }

    /// What a command that ends says.
    #[track_caller]
    fn answer(&self, place: &str, words: &[String]) -> Vec<String> {
        let program = words[0].as_str();
        if program == "http" {
            return vec![self.request(&words[1..])];
        }
        let output = match (program, &self.stack.real) {
            ("./mall", _) => self.mall(words).output().expect("mall can be run"),
            ("mysql", Some(real)) => mysql(real, &words[1..]),
            (tool, Some(_)) => {
                let tool = tool
                    .strip_suffix(".sh")
                    .unwrap_or_else(|| panic!("{place}: what is {tool}?"));
                let mut command = Command::new(format!("{}/{tool}", required("MALL_TEST_KAFKA_TOOLS")));
                command
                    .args(self.all_localised(&words[1..]))
                    .output()
                    .expect("the tool can be run")
            }
            _ => panic!("{place}: {program} needs Kafka and MySQL"),
        };
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        // 1 is the answer no, of verify and of a console consumer that waits no longer. What only looks may come too early to
        // tell, which is 2, and looks again.
        let allowed = if looks(words) { 0..=2 } else { 0..=1 };
        assert!(
            output.status.code().is_some_and(|code| allowed.contains(&code)),
            "{place}: {words:?} ended with {}: {said}",
            output.status
        );
        said.lines().map(|line| self.as_written(line)).collect()
    }

    /// `mall` with these words and the variables of the terminal.
    fn mall(&self, words: &[String]) -> Command {
        let words = self.all_localised(&words[1..]);
        let mut command = self.stack.bare(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(real) = &self.stack.real {
            command.env("MALL_TOPIC", &real.topic).env("MALL_GROUP", &real.group);
        }
        command
    }

    /// `http [METHOD] :PORT/path name=value…`, and its status line.
    #[track_caller]
    fn request(&self, words: &[String]) -> String {
        let (method, rest) = match words {
            [method, rest @ ..] if !method.starts_with(':') => (Some(method.as_str()), rest),
            words => (None, words),
        };
        let (url, fields) = rest.split_first().expect("an address");
        let path = url
            .strip_prefix(":8081")
            .unwrap_or_else(|| panic!("{url} is not the order service's"));
        let fields: Vec<(&str, &str)> = fields.iter().filter_map(|field| field.split_once('=')).collect();
        let method = method.unwrap_or(if fields.is_empty() { "GET" } else { "POST" });
        let orders = self.orders.expect("an order service runs");
        let fields = (!fields.is_empty()).then_some(&fields[..]);
        let answer = http::try_send(orders, method, path, fields).expect("the order service answers");
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        if method == "POST" {
            self.wait_for_delivery(answer.id());
        }
        format!("HTTP/1.1 {}", answer.status)
    }

    /// Waits until the delivery of an order has started: nobody types so fast that the next request comes before that.
    #[track_caller]
    fn wait_for_delivery(&self, order: i64) {
        let (placed, started) = (format!("OrderPlaced order={order} "), "DELIVERY STARTED");
        let is = |line: &String| line.contains(&placed) && line.contains(started);
        let running = || self.terminals.values().filter_map(|terminal| terminal.running.as_ref());
        wait_for(&format!("the delivery of order {order}"), || {
            running()
                .any(|running| running.process.lines().iter().any(is))
                .then_some(())
        });
    }

    /// Waits until the terminals have said everything that is expected.
    #[track_caller]
    fn expect(&mut self, place: &str, terminals: &BTreeSet<u32>, lines: &[String]) {
        let numbers = match terminals.is_empty() {
            true => BTreeSet::from([self.last]),
            false => terminals.clone(),
        };
        let deadline = Instant::now() + PATIENCE;
        let in_order = self.in_order(&numbers);
        loop {
            let said = self.said(&numbers);
            let Some(missing) = missing(lines, &said, in_order) else {
                return self.pass(&numbers);
            };
            assert!(
                Instant::now() < deadline,
                "{place}: waited {PATIENCE:?} in vain for {missing:?} in\n{}",
                said.join("\n")
            );
            self.look_again(place, &numbers);
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
    }

    /// Lines of one process come in their order; those of several come as they like.
    fn in_order(&self, numbers: &BTreeSet<u32>) -> bool {
        let of_one = |running: &Running| role_of(&running.words) != "up";
        let mut running = numbers
            .iter()
            .filter_map(|number| self.terminals[number].running.as_ref());
        numbers.len() == 1 && running.next().is_some_and(of_one)
    }

    fn said(&self, numbers: &BTreeSet<u32>) -> Vec<String> {
        let terminals = numbers.iter().map(|number| &self.terminals[number]);
        let lines = terminals.flat_map(|terminal| match &terminal.running {
            Some(running) => running.process.lines().split_off(running.read),
            None => terminal.ended.iter().flat_map(|(_, said)| said.clone()).collect(),
        });
        lines.map(|line| self.as_written(&line)).collect()
    }

    /// What has been said so far is not expected again.
    fn pass(&mut self, numbers: &BTreeSet<u32>) {
        for number in numbers {
            if let Some(running) = self
                .terminals
                .get_mut(number)
                .and_then(|terminal| terminal.running.as_mut())
            {
                running.read = running.process.lines().len();
            }
        }
    }

    /// Types those commands again that only look.
    #[track_caller]
    fn look_again(&mut self, place: &str, numbers: &BTreeSet<u32>) {
        for number in numbers {
            let mut ended = std::mem::take(&mut self.terminals.get_mut(number).expect("a terminal").ended);
            for (words, said) in ended.iter_mut().filter(|(words, _)| looks(words)) {
                *said = self.answer(place, words);
            }
            self.terminals.get_mut(number).expect("a terminal").ended = ended;
        }
    }

    /// A word of a README, with the names and addresses of this stack.
    fn localised(&self, word: &str) -> String {
        let Some(real) = &self.stack.real else {
            return word.to_owned();
        };
        match word {
            "delivery" => real.group.clone(),
            word => word
                .replace("mysql://root:1234@localhost:3306/my-database", &real.database_url())
                .replace("localhost:9092", &real.kafka)
                .replace("kafka.scaling", &real.topic),
        }
    }

    /// The same for the words behind a program. The role `delivery` is no group.
    fn all_localised(&self, words: &[String]) -> Vec<String> {
        let localised = words.iter().enumerate().map(|(index, word)| match index {
            0 => word.clone(),
            _ => self.localised(word),
        });
        localised.collect()
    }

    /// A line with the names that the README uses.
    fn as_written(&self, line: &str) -> String {
        match &self.stack.real {
            Some(real) => line
                .replace(&real.topic, "kafka.scaling")
                .replace(&real.group, "delivery"),
            None => line.to_owned(),
        }
    }
}

/// Runs the database's client as `mysql … [my-database] -e STATEMENT` would.
fn mysql(real: &Real, words: &[String]) -> std::process::Output {
    let [.., statement] = words else { panic!("a statement") };
    let statement = statement.replace("my-database", &real.database);
    let uses = words.iter().any(|word| word == "my-database");
    let used = if uses {
        format!("use `{}`; ", real.database)
    } else {
        String::new()
    };
    mariadb_table(real, &format!("{used}{statement}"))
}

/// The role that a command runs, or the tool.
fn role_of(words: &[String]) -> &str {
    match words.get(1).map(String::as_str) {
        Some(word) if !word.starts_with('-') => word,
        _ => "up",
    }
}

/// Whether a command runs until it is interrupted.
fn stays(words: &[String]) -> bool {
    let has = |option: &str| words.iter().any(|word| word == option);
    match (words[0].as_str(), role_of(words)) {
        ("./mall", "up" | "order" | "delivery" | "gateway") => true,
        ("./mall", "kafka-console-consumer") => !has("--timeout-ms") && !has("--max-messages"),
        _ => false,
    }
}

/// Whether a command changes nothing.
fn looks(words: &[String]) -> bool {
    let has = |option: &str| words.iter().any(|word| word == option);
    match role_of(words) {
        _ if words[0] == "http" => false,
        "sql" | "verify" | "timeline" | "doctor" | "kafka-console-consumer" => true,
        "kafka-topics" | "kafka-consumer-groups" => has("--describe"),
        "parked" => has("list"),
        _ => has("--describe"),
    }
}
