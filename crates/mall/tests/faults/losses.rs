//! What each loss of a dependency must look like, and that it is over when it is over.
//!
//! ```text
//!   all is well ─▶ taken away ─▶ customers, probes, gauges, log ─▶ given back ─▶ all is well, without a restart
//! ```
//! A row is a [`Loss`]; [`Mall::survives`] takes a running mall through it. The same mall lives through all rows of a
//! table, one after the other: what one of them leaves behind is found by the next.

use std::time::{Duration, Instant};

use super::gate::{Gate, Mode};
use super::support::http::{Answer, get, post, try_send};
use super::support::role::Role;
use super::support::stack::Stack;
use super::support::tools::sql;
use super::support::wait_for;
use super::traffic::{ORDER, Traffic};

/// Far more than the two seconds within which an answer is promised, since a busy machine must not decide; a request that
/// waits for the dependency itself waits for longer than this.
const ANSWERED: Duration = Duration::from_secs(15);
/// Orders that are placed one after the other while the dependency is away, to see what each is answered.
const ASKED: usize = 10;
/// How long it is looked at while nobody asks: longer than a role takes to look itself, and to believe that all is well.
const UNASKED: Duration = Duration::from_secs(3);
/// Lines of warning that a role may say in one loss. The loss is told by one; a few others may be about something else.
const WARNINGS: usize = 6;

/// A way to lose a dependency.
pub struct Loss<'a> {
    /// What happens, for whoever reads that it failed.
    pub name: &'static str,
    /// What everybody is told.
    pub told: Told,
    /// Takes the dependency away.
    pub take: &'a dyn Fn(),
    /// Gives it back.
    pub give: &'a dyn Fn(),
}

/// What is told of a fact that is bad: by probes, gauges and log lines.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Its name in the checks of `/readyz`.
    pub check: &'static str,
    /// The gauge that is 0 meanwhile.
    pub gauge: &'static str,
    /// The line at the beginning; the one at the end says that it is over.
    pub line: &'static str,
    /// Whether orders are taken meanwhile, and the services are ready for them.
    pub harmless: bool,
    /// Which services lose it.
    pub by: &'static [&'static str],
}

const BOTH: &[&str] = &["order", "delivery"];

/// The database can't be reached.
pub const NO_DATABASE: Told = Told {
    check: "database",
    gauge: "mall_database_reachable",
    line: "the database can't be used; not ready until it can",
    harmless: false,
    by: BOTH,
};

/// The database answers and takes nothing.
pub const NO_WRITES: Told = Told {
    check: "writable",
    gauge: "mall_database_writable",
    line: "the database takes no writes; not ready until it does",
    harmless: false,
    by: BOTH,
};

/// A mall that lives through losses.
pub struct Mall<'a> {
    pub stack: &'a Stack,
    pub order: Role,
    delivery: Role,
    placed: Vec<i64>,
}

impl<'a> Mall<'a> {
    #[track_caller]
    pub fn start(stack: &'a Stack) -> Self {
        let order = stack.role("order", &["--partitions", "2"]);
        let delivery = stack.role("delivery", &[]);
        Self {
            stack,
            order,
            delivery,
            placed: Vec::new(),
        }
    }

    /// Takes it through a loss.
    #[track_caller]
    pub fn survives(&mut self, loss: &Loss<'_>) {
        eprintln!("--- {}", loss.name);
        self.is_well(loss);
        let marks = self.roles().map(|(_, role)| role.lines().len());
        let traffic = Traffic::start(self.order.address());
        wait_for("a few orders", || (traffic.placed() >= 20).then_some(()));
        (loss.take)();
        for (name, role) in self.losing(loss) {
            is_told(loss, name, role);
        }
        self.placed.extend(traffic.stop());
        self.customers_are_answered(loss);
        self.is_told_unasked(loss);
        (loss.give)();
        self.is_well(loss);
        self.everything_is_delivered(loss);
        for ((name, role), mark) in self.roles().into_iter().zip(marks) {
            if loss.told.by.contains(&name) {
                // The health of a role may be mended a moment before the role says so.
                role.wait_behind(&mut mark.clone(), "the end of the outage", |line| {
                    line.contains(&over(loss))
                });
            }
            is_logged_once(loss, name, &role.lines()[mark..]);
        }
    }

    /// Takes it through what its clients meet at a gate, one thing after the other.
    #[track_caller]
    pub fn survives_at(&mut self, gate: &Gate, told: Told, ways: &[(&'static str, Mode)]) {
        for (name, mode) in ways {
            self.survives(&Loss {
                name,
                told,
                take: &|| gate.set(mode.clone()),
                give: &|| gate.set(Mode::Open),
            });
        }
    }

    /// Takes it through something that is over by itself: customers may be refused meanwhile, and nothing more.
    #[track_caller]
    pub fn goes_on(&mut self, name: &'static str, happens: &dyn Fn()) {
        let loss = Loss {
            name,
            told: NO_DATABASE,
            take: happens,
            give: &|| {},
        };
        self.is_well(&loss);
        let traffic = Traffic::start(self.order.address());
        wait_for("a few orders", || (traffic.placed() >= 20).then_some(()));
        happens();
        let before = traffic.placed();
        wait_for("orders to be taken again", || {
            (traffic.placed() > before + 100).then_some(())
        });
        self.placed.extend(traffic.stop());
        self.is_well(&loss);
        self.everything_is_delivered(&loss);
    }

    fn roles(&self) -> [(&'static str, &Role); 2] {
        [("order", &self.order), ("delivery", &self.delivery)]
    }

    fn losing(&self, loss: &Loss<'_>) -> impl Iterator<Item = (&'static str, &Role)> {
        let by = loss.told.by;
        self.roles().into_iter().filter(move |(name, _)| by.contains(name))
    }

    /// Orders are taken, and every probe and gauge says so.
    #[track_caller]
    fn is_well(&mut self, loss: &Loss<'_>) {
        for (name, role) in self.roles() {
            let what = format!("{}: the {name} service to be well", loss.name);
            wait_for(&what, || {
                let ready = get(role.address(), "/readyz");
                let check = ready.json()["checks"][loss.told.check]["status"] == "UP";
                let well = ready.status == 200 && (check || loss.told.harmless);
                (well && gauge(role, loss.told.gauge) != Some(0.0)).then_some(())
            });
            assert_eq!(
                get(role.address(), "/actuator/health").status,
                200,
                "{}: {name}",
                loss.name
            );
        }
        let placed = post(self.order.address(), "/orders", &ORDER);
        assert_eq!(placed.status, 201, "{}: {placed:?}", loss.name);
        self.placed.push(placed.id());
    }

    /// It stays told while no customer asks for anything.
    #[track_caller]
    fn is_told_unasked(&self, loss: &Loss<'_>) {
        let since = Instant::now();
        while since.elapsed() < UNASKED {
            for (name, role) in self.losing(loss) {
                assert_eq!(
                    gauge(role, loss.told.gauge),
                    Some(0.0),
                    "{}: {name}, unasked",
                    loss.name
                );
            }
        }
    }

    /// Each of many requests is answered in time as it is promised.
    #[track_caller]
    fn customers_are_answered(&mut self, loss: &Loss<'_>) {
        for _ in 0..ASKED {
            let asked = Instant::now();
            let answer = try_send(self.order.address(), "POST", "/orders", Some(&ORDER));
            let answer = answer.unwrap_or_else(|error| panic!("{}: no answer: {error}", loss.name));
            assert!(asked.elapsed() < ANSWERED, "{}: {:?}", loss.name, asked.elapsed());
            if loss.told.harmless {
                assert_eq!(answer.status, 201, "{}: {answer:?}", loss.name);
                self.placed.push(answer.id());
            } else {
                is_refused(loss, &answer);
            }
        }
    }

    /// What was answered 201 has its delivery, nothing is half-done, and the checker finds nothing.
    #[track_caller]
    fn everything_is_delivered(&mut self, loss: &Loss<'_>) {
        let orders: Vec<String> = self.placed.iter().map(ToString::to_string).collect();
        let delivered = format!(
            "select count(distinct orderId) from Delivery_table where orderId in ({})",
            orders.join(",")
        );
        let wanted = orders.len().to_string();
        wait_for(&format!("{}: {wanted} deliveries", loss.name), || {
            (sql(self.stack, &delivered).trim() == wanted).then_some(())
        });
        super::nothing_is_half_done(self.stack);
        // An order whose answer was lost may still be on its way: what is unfinished can't be judged yet.
        wait_for(&format!("{}: a verdict", loss.name), || {
            let verdict = self.stack.run(&["verify", "--wait", "30s"]);
            let said = String::from_utf8_lossy(&verdict.stdout).into_owned();
            match verdict.status.code() {
                Some(0) => Some(()),
                Some(2) => None,
                _ => panic!("{}: {said}{}", loss.name, String::from_utf8_lossy(&verdict.stderr)),
            }
        });
    }
}

/// The probes and the gauge of a role say what is the matter.
#[track_caller]
fn is_told(loss: &Loss<'_>, name: &str, role: &Role) {
    let told = loss.told;
    let (status, word) = if told.harmless { (200, "UP") } else { (503, "DOWN") };
    let what = format!("{}: the {name} service to say that {} is down", loss.name, told.check);
    wait_for(&what, || {
        let ready = get(role.address(), "/readyz");
        let body = ready.json();
        let check = &body["checks"][told.check];
        let holds = ready.status == status
            && body["status"] == word
            && check["status"] == "DOWN"
            && check["message"].is_string()
            && check["since"].is_i64();
        holds.then_some(())
    });
    assert_eq!(
        get(role.address(), "/actuator/health").status,
        status,
        "{}: {name}",
        loss.name
    );
    assert_eq!(get(role.address(), "/livez").status, 200, "{}: {name}", loss.name);
    assert_eq!(gauge(role, told.gauge), Some(0.0), "{}: {name}", loss.name);
    assert_eq!(
        gauge(role, "mall_ready"),
        Some(f64::from(u8::from(told.harmless))),
        "{}: {name}",
        loss.name
    );
}

#[track_caller]
fn is_refused(loss: &Loss<'_>, answer: &Answer) {
    assert_eq!(answer.status, 503, "{}: {answer:?}", loss.name);
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    // Whose outcome nobody knows is not asked to try again.
    let says = message.contains("unknown") || answer.header("retry-after").is_some();
    assert!(says && !message.is_empty(), "{}: {answer:?}", loss.name);
}

/// The line in which a role says that an outage is over.
fn over(loss: &Loss<'_>) -> String {
    format!("over: {}", loss.told.line)
}

/// One line when it begins, one when it ends, however many requests there were; and nothing else in great number.
#[track_caller]
fn is_logged_once(loss: &Loss<'_>, name: &str, lines: &[String]) {
    let said = || format!("{}: the {name} service said\n{}", loss.name, lines.join("\n"));
    let over = over(loss);
    let ends = lines.iter().filter(|line| line.contains(&over)).count();
    let begins = lines.iter().filter(|line| line.contains(loss.told.line)).count() - ends;
    let expected = usize::from(loss.told.by.contains(&name));
    assert_eq!((begins, ends), (expected, expected), "{}", said());
    // Whoever else fails for the same reason leaves it to that line.
    let again = lines
        .iter()
        .find(|line| line.contains("what is parked can't be looked at"));
    assert_eq!(again, None, "{}", said());
    let warnings = lines
        .iter()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"))
        .count();
    assert!(warnings <= WARNINGS, "{}", said());
}

/// A gauge of a role; none where it can't be told.
fn gauge(role: &Role, name: &str) -> Option<f64> {
    let page = get(role.address(), "/metrics").body;
    let line = page.lines().find(|line| line.split([' ', '{']).next() == Some(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
}
