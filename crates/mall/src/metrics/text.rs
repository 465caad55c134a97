//! Writes Prometheus' text format, version 0.0.4.
//!
//! ```text
//!   # HELP name what it is
//!   # TYPE name counter
//!   name{label="value"} 3
//! ```
//!
//! # Invariants
//! * The samples of a family stand together, below its HELP and TYPE. So the text is borrowed for as long as a family is being
//!   written.
//! * The counts of a histogram's buckets never fall from one to the next, and the last one is the histogram's count.

use std::fmt::Write;

use keylane::measure::Distribution;
use keylane_log::Timestamp;

/// The content type of an answer in this format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The names and values that tell the samples of a family apart.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// A page of metrics.
#[derive(Debug, Default)]
pub struct MetricsText(String);

/// A family of samples that is being written.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl MetricsText {
    /// Begins a family of counters: numbers that only grow, whose name ends with `_total`.
    pub fn counter<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    /// Begins a family of gauges: numbers that rise and fall.
    pub fn gauge<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    /// Begins a family of distributions.
    pub fn histogram<'a>(&'a mut self, name: &'a str, help: &str) -> Family<'a> {
        self.family(name, "histogram", help)
    }

    /// The page as it is sent.
    pub fn finish(self) -> String {
        self.0
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Family<'a> {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family {
            text: &mut self.0,
            name,
        }
    }
}

impl Family<'_> {
    /// Writes a number.
    pub fn sample(&mut self, labels: Labels<'_>, value: f64) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// Writes a count.
    pub fn count(&mut self, labels: Labels<'_>, value: u64) -> &mut Self {
        self.sample(labels, value as f64)
    }

    /// Writes for how many seconds something has waited at `now`: 0 if nothing waits.
    pub fn age(&mut self, labels: Labels<'_>, since: Option<Timestamp>, now: Timestamp) -> &mut Self {
        let milliseconds = since.map_or(0, |since| now.0.saturating_sub(since.0).max(0));
        self.sample(labels, milliseconds as f64 / 1000.0)
    }

    /// Writes a distribution.
    pub fn distribution(&mut self, labels: Labels<'_>, distribution: &Distribution) -> &mut Self {
        for (bound, count) in &distribution.up_to {
            self.line("_bucket", labels, Some(&bound.to_string()), *count as f64);
        }
        let count = distribution.count as f64;
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, distribution.sum);
        self.line("_count", labels, None, count);
        self
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: f64) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let _ = write!(self.text, "{separator}{name}=\"{value}\"");
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_below_what_they_are() {
        let mut text = MetricsText::default();
        text.counter("a_total", "What it counts.").count(&[], 3);
        text.gauge("b", "Another.")
            .sample(&[("x", "1"), ("y", "2")], 0.25)
            .sample(&[("x", "2"), ("y", "2")], -4.0);
        let expected = "# HELP a_total What it counts.\n# TYPE a_total counter\na_total 3\n\
                        # HELP b Another.\n# TYPE b gauge\nb{x=\"1\",y=\"2\"} 0.25\nb{x=\"2\",y=\"2\"} -4\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn what_would_end_a_line_or_a_value_is_escaped() {
        let mut text = MetricsText::default();
        text.gauge("a", "one\\two\nthree \"four\"")
            .count(&[("l", "C:\\new \"서울\"\nline")], 1);
        let expected = "# HELP a one\\\\two\\nthree \"four\"\n# TYPE a gauge\n\
                        a{l=\"C:\\\\new \\\"서울\\\"\\nline\"} 1\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn a_histogram_ends_with_everything() {
        let distribution = Distribution {
            up_to: vec![(0.00005, 1), (0.0025, 1), (10.0, 2)],
            count: 3,
            sum: 40.5,
        };
        let mut text = MetricsText::default();
        text.histogram("a_seconds", "Time.")
            .distribution(&[("l", "v")], &distribution);
        let expected = "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n\
                        a_seconds_bucket{l=\"v\",le=\"0.00005\"} 1\na_seconds_bucket{l=\"v\",le=\"0.0025\"} 1\n\
                        a_seconds_bucket{l=\"v\",le=\"10\"} 2\na_seconds_bucket{l=\"v\",le=\"+Inf\"} 3\n\
                        a_seconds_sum{l=\"v\"} 40.5\na_seconds_count{l=\"v\"} 3\n";
        assert_eq!(text.finish(), expected);
    }
}
