//! The measures of the process itself, under the names that Prometheus' own libraries use.

use keylane_log::Timestamp;

use super::text::MetricsText;
use crate::clock;

/// This process.
pub struct Process {
    started: Timestamp,
}

impl Process {
    /// Notes the time; called as the role starts.
    pub fn started() -> Self {
        Self { started: clock::now() }
    }

    pub fn write(&self, role: &str, text: &mut MetricsText) {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("role", role)];
        text.gauge("mall_build_info", "Which program this is.")
            .count(&labels, 1);
        text.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
        )
        .sample(&[], self.started.0 as f64 / 1000.0);
        if let Some(bytes) = resident_bytes() {
            text.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.")
                .count(&[], bytes);
        }
    }
}

/// How much memory of the process is in RAM. None where there is no `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
