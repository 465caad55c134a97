//! Takes a service away and brings it back, also when the test fails in between.

use super::{Command, support::required};

pub struct Outage {
    service: &'static str,
}

impl Outage {
    /// Kills the service.
    pub fn of(service: &'static str) -> Self {
        let outage = Self { service };
        outage.control("kill");
        outage
    }

    /// Brings it back and waits until it answers.
    pub fn end(self) {}

    fn control(&self, action: &str) {
        let status = Command::new(required("MALL_TEST_SERVICES"))
            .args([action, self.service])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{action} {} failed",
            self.service
        );
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.control("revive");
    }
}
