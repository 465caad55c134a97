//! The order service and the delivery instances of a storm.

use std::collections::BTreeMap;

use crate::assignor::Assignor;
use crate::handlers::{Handlers, now};
use crate::support::role::Role;
use crate::support::stack::{Real, Stack};
use crate::support::tools::sql;

pub struct Fleet {
    pub assignor: Assignor,
    pub order: Role,
    pub deliveries: BTreeMap<&'static str, Role>,
    /// What those said that have ended.
    pub handlers: Handlers,
    /// Last, since its database goes with it.
    pub stack: Stack,
}

impl Fleet {
    /// An order service, and no delivery instance yet.
    #[track_caller]
    pub fn new(assignor: Assignor, partitions: &str) -> Self {
        Self::on(Stack::real(), assignor, partitions)
    }

    /// The same on a stack of a test's own.
    #[track_caller]
    pub fn on(stack: Stack, assignor: Assignor, partitions: &str) -> Self {
        Self {
            assignor,
            order: stack.role("order", &["--partitions", partitions]),
            deliveries: BTreeMap::new(),
            handlers: Handlers::default(),
            stack,
        }
    }

    pub fn real(&self) -> &Real {
        self.stack.real.as_ref().expect("storms are on the real stack")
    }

    /// Starts an instance, and waits until it has partitions.
    #[track_caller]
    pub fn start(&mut self, name: &'static str, more: &[&str]) {
        let url = format!("http://{}", self.order.address());
        let common = ["--name", name, "--log", "json", "--order-url", &url];
        let role = self
            .stack
            .role("delivery", &[&common, self.assignor.options(), more].concat());
        role.wait_line("\"assigned\"");
        self.deliveries.insert(name, role);
    }

    pub fn delivery(&self, name: &str) -> &Role {
        &self.deliveries[name]
    }

    /// Stops an instance as a deployment does.
    #[track_caller]
    pub fn stop(&mut self, name: &str) {
        let mut role = self.deliveries.remove(name).expect("it runs");
        assert_eq!(role.stop(), Some(0), "{name}:\n{}", role.said());
        self.handlers.add(name, &role.last_lines(), now());
    }

    /// `kill -9`
    #[track_caller]
    pub fn kill(&mut self, name: &str) {
        let mut role = self.deliveries.remove(name).expect("it runs");
        role.kill();
        self.handlers.add(name, &role.last_lines(), now());
    }

    /// Everything that was granted has taken effect, once and in order; then all instances stop. What verify says.
    #[track_caller]
    pub fn nothing_is_lost(&mut self, placed: &[i64]) -> String {
        let verified = self.stack.run(&["verify", "--wait", "60s"]);
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        let said = String::from_utf8_lossy(&verified.stderr);
        assert_eq!(verified.status.code(), Some(0), "{:?}: {text}{said}", self.assignor);
        let deliveries = sql(&self.stack, "select count(distinct orderId) from Delivery_table");
        let deliveries: usize = deliveries.trim().parse().expect("a number");
        assert!(
            deliveries >= placed.len(),
            "{deliveries} deliveries of {} orders",
            placed.len()
        );
        let names: Vec<&str> = self.deliveries.keys().copied().collect();
        names.into_iter().for_each(|name| self.stop(name));
        assert!(
            self.handlers.len() >= placed.len(),
            "the handlers recorded {} turns",
            self.handlers.len()
        );
        text
    }
}
