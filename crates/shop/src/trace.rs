//! Traces (W3C Trace Context): each event names the request that it goes back to, in the header `traceparent`.
//!
//! ```text
//! 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//!    └ trace: the request             └ span: this event
//! ```

/// The `traceparent` of something that follows from `parent`: the same trace with a span of its own, or a new trace if
/// `parent` is missing or can't be read.
pub fn following(parent: Option<&str>) -> String {
    let span = fastrand::u64(1..);
    match parent.and_then(parse) {
        Some((trace, flags)) => format!("00-{trace}-{span:016x}-{flags}"),
        None => format!("00-{:032x}-{span:016x}-01", fastrand::u128(1..)),
    }
}

/// The trace id in a `traceparent` (32 hexadecimal digits); none if it can't be read.
pub fn id(traceparent: &str) -> Option<&str> {
    parse(traceparent).map(|(trace, _)| trace)
}

/// The trace id and the flags of a `traceparent` of version 00.
fn parse(text: &str) -> Option<(&str, &str)> {
    let [version, trace, span, flags] = text.split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let good = version == "00" && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2);
    good.then_some((trace, flags))
}

/// Whether a text is an identifier of this many digits. One of zeros alone stands for none.
fn is_id(text: &str, digits: usize) -> bool {
    is_hex(text, digits) && text.bytes().any(|digit| digit != b'0')
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    #[test]
    fn a_trace_goes_on_with_a_new_span() {
        let child = following(Some(PARENT));
        assert!(
            child.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && child.ends_with("-00"),
            "{child}"
        );
        assert_ne!(child, PARENT);
        assert_eq!(id(&child), id(PARENT), "{child}");
        assert_eq!(id(PARENT), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(id("00-abc"), None);
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one() {
        let zeros = PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        for parent in [
            None,
            Some(""),
            Some("00-abc-def-01"),
            Some(&PARENT.to_uppercase()),
            Some(&zeros),
        ] {
            let root = following(parent);
            assert!(
                parse(&root).is_some() && root.ends_with("-01"),
                "{parent:?} led to {root}"
            );
            assert_ne!(root, following(parent), "every trace is its own");
        }
    }
}
