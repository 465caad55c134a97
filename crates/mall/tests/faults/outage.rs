//! Takes a service away and brings it back, also when the test fails in between.

use super::{Command, support::required};

pub struct Outage {
    service: &'static str,
    /// What ends it.
    remedy: &'static str,
}

impl Outage {
    /// Kills the service.
    #[track_caller]
    pub fn of(service: &'static str) -> Self {
        Self::by("kill", service, "revive")
    }

    /// Stops the service in the middle of what it does: it is there and says nothing.
    #[track_caller]
    pub fn frozen(service: &'static str) -> Self {
        Self::by("pause", service, "resume")
    }

    #[track_caller]
    fn by(action: &str, service: &'static str, remedy: &'static str) -> Self {
        control(action, service);
        Self { service, remedy }
    }

    /// Brings it back and waits until it answers.
    pub fn end(self) {}
}

impl Drop for Outage {
    fn drop(&mut self) {
        control(self.remedy, self.service);
    }
}

#[track_caller]
fn control(action: &str, service: &str) {
    let status = Command::new(required("MALL_TEST_SERVICES"))
        .args([action, service])
        .status();
    let done = status.is_ok_and(|status| status.success());
    // A second panic, while the test's own is on its way, would end the other tests too.
    assert!(
        done || std::thread::panicking(),
        "{action} {service} failed; only what scripts/services has started can be taken away"
    );
}
