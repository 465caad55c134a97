//! The process itself, under the names that Prometheus' own libraries use.

use std::time::{SystemTime, UNIX_EPOCH};

use super::text::Text;

/// This process.
pub struct Process {
    /// Seconds since 1970.
    started: f64,
}

impl Process {
    /// To be called as the process starts.
    pub fn started() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            started: since_epoch.as_secs_f64(),
        }
    }

    pub fn write(&self, role: &str, text: &mut Text) {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("role", role)];
        text.gauge("mall_build_info", "Which program this is.")
            .count(&labels, 1);
        text.gauge(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970.",
        )
        .sample(&[], self.started);
        if let Some(bytes) = resident_bytes() {
            text.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.")
                .count(&[], bytes);
        }
    }
}

/// Told by Linux alone.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
