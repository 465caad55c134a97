//! Conditional requests (RFC 9110, 13): an item's `ETag` is its version, and a client may name versions.
//!
//! # Invariants
//! * The condition of a write is compared inside its unit of work, under the row's lock; in here it is only read.
//! * A weak tag never satisfies `If-Match`, and counts like a strong one for `If-None-Match`.

use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::problem::Problem;
use shop::domain::{Condition, Version, Versions};

/// Reads the condition on the item's version from `If-Match` and `If-None-Match`.
pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    Ok(Condition {
        one_of: versions(headers, IF_MATCH, false)?,
        none_of: versions(headers, IF_NONE_MATCH, true)?,
    })
}

/// Sets the `ETag` of an answer to the version that it shows.
pub(super) fn tag(answer: &mut Response, version: Version) {
    let tag = HeaderValue::try_from(format!("\"{version}\"")).expect("a number in quotes makes a header");
    answer.headers_mut().insert(ETAG, tag);
}

/// The versions that a header names; `None` if there is no such header. A header may have several lines.
fn versions(headers: &HeaderMap, name: HeaderName, weak: bool) -> Result<Option<Versions>, Problem> {
    let lines = headers.get_all(&name);
    if lines.iter().next().is_none() {
        return Ok(None);
    }
    let mut tags = Vec::new();
    for line in lines {
        tags.extend(tags_in(line.as_bytes()).ok_or_else(|| malformed(&name))?);
    }
    match tags.as_slice() {
        [] => Err(malformed(&name)),
        [Tag::Any] => Ok(Some(Versions::Any)),
        several if several.contains(&Tag::Any) => Err(malformed(&name)),
        several => {
            let versions = several.iter().filter_map(|tag| tag.version(weak));
            Ok(Some(Versions::These(versions.collect())))
        }
    }
}

fn malformed(name: &HeaderName) -> Problem {
    let name = match name {
        name if *name == IF_MATCH => "If-Match",
        _ => "If-None-Match",
    };
    let message = format!("{name} must be * or a list of entity tags in quotes, such as \"3\", as ETag gives them.");
    Problem::new(StatusCode::BAD_REQUEST, message)
}

/// An entity tag in a header, or `*`.
#[derive(Debug, PartialEq, Eq)]
enum Tag<'a> {
    Any,
    Named { weak: bool, opaque: &'a [u8] },
}

impl Tag<'_> {
    /// The version that has this tag; none if no version can have it.
    fn version(&self, weak_counts: bool) -> Option<Version> {
        match self {
            Self::Named { weak, opaque } if !weak || weak_counts => {
                let text = std::str::from_utf8(opaque).ok()?;
                let number: i64 = text.parse().ok()?;
                // Tags are compared as they are written: "01" is another tag than "1".
                (number.to_string() == text).then_some(Version(number))
            }
            _ => None,
        }
    }
}

/// The tags in one line; `None` if the line is not a list of tags. A tag may have a comma inside its quotes.
fn tags_in(mut rest: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(tags);
        }
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            continue;
        }
        let (tag, after) = first_tag(rest)?;
        tags.push(tag);
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
}

fn first_tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    if let Some(after) = text.strip_prefix(b"*") {
        return Some((Tag::Any, after));
    }
    let (weak, text) = match text.strip_prefix(b"W/") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().position(|b| *b == b'"')?;
    let opaque = &text[..end];
    let legal = |b: &u8| *b == 0x21 || (0x23..=0x7e).contains(b) || *b >= 0x80;
    opaque
        .iter()
        .all(legal)
        .then_some((Tag::Named { weak, opaque }, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Option<Versions>, ()>;

    fn read(name: HeaderName, lines: &[&str]) -> Read {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_str(line).expect("a header"));
        }
        let weak = name == IF_NONE_MATCH;
        versions(&headers, name, weak).map_err(|_| ())
    }

    fn these(versions: &[i64]) -> Read {
        Ok(Some(Versions::These(versions.iter().copied().map(Version).collect())))
    }

    #[test]
    fn tags_name_versions() {
        let cases: [(&[&str], Read); 23] = [
            (&[], Ok(None)),
            (&["*"], Ok(Some(Versions::Any))),
            (&[" * "], Ok(Some(Versions::Any))),
            (&["\"3\""], these(&[3])),
            (&["\"3\", \"4\""], these(&[3, 4])),
            (&["\"3\",,\"4\","], these(&[3, 4])),
            (&["\"3\"", "\"4\""], these(&[3, 4])),
            (&["\"3,4\""], these(&[])),
            (&["\"abc\""], these(&[])),
            (&["\"\""], these(&[])),
            (&["\"03\""], these(&[])),
            (&["\"+3\""], these(&[])),
            (&["\"99999999999999999999\""], these(&[])),
            (&["W/\"3\", \"4\""], these(&[4])),
            (&["W/\"3\""], these(&[])),
            (&["3"], Err(())),
            (&["\"3"], Err(())),
            (&["\"3\" \"4\""], Err(())),
            (&["w/\"3\""], Err(())),
            (&["*, \"3\""], Err(())),
            (&["\"3\"", "*"], Err(())),
            (&[""], Err(())),
            (&[","], Err(())),
        ];
        for (lines, versions) in cases {
            assert_eq!(read(IF_MATCH, lines), versions, "{lines:?}");
        }
        assert_eq!(read(IF_NONE_MATCH, &["W/\"3\", \"4\""]), these(&[3, 4]));
    }
}
