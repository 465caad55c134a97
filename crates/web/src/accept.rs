//! Negotiates the media type of an answer (RFC 9110, 12.5.1).

/// The default media type of every resource.
pub(super) const HAL: &str = "application/hal+json";
/// The plain name for the same body as [`HAL`].
pub(super) const JSON: &str = "application/json";
/// The media type of a profile.
pub(super) const ALPS: &str = "application/alps+json";
/// The media type of server-sent events.
pub(super) const EVENT_STREAM: &str = "text/event-stream";
/// The media type that Spring Boot gives its health endpoint.
pub(super) const ACTUATOR: &str = "application/vnd.spring-boot.actuator.v3+json";

/// The offer that suits the `Accept` header best; `None` if none does. A type that the header names beats one that a wildcard
/// covers, an earlier one beats a later one, and a client that sends no header gets the first offer.
pub(super) fn negotiate(accept: Option<&str>, offers: &[&'static str]) -> Option<&'static str> {
    let accept = accept.map(str::trim).unwrap_or_default();
    if accept.is_empty() || accept == "*/*" {
        return offers.first().copied();
    }
    let ranges: Vec<_> = accept.split(',').enumerate().filter_map(Range::parse).collect();
    let mut best: Option<(&'static str, &Range<'_>)> = None;
    for offer in offers {
        let Some(range) = ranges
            .iter()
            .filter(|range| range.covers(offer))
            .max_by_key(|range| range.precision())
        else {
            continue;
        };
        if range.quality > 0 && best.is_none_or(|(_, found)| range.rank() > found.rank()) {
            best = Some((offer, range));
        }
    }
    best.map(|(offer, _)| offer)
}

/// One element of an `Accept` header.
struct Range<'a> {
    position: usize,
    kind: &'a str,
    subtype: &'a str,
    /// The element's quality (`q=0.5`) in thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse((position, element): (usize, &'a str)) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality: f32 = quality.map_or(Ok(1.0), str::parse).ok()?;
        Some(Self {
            position,
            kind,
            subtype,
            quality: (quality.clamp(0.0, 1.0) * 1000.0) as u16,
        })
    }

    fn covers(&self, offer: &str) -> bool {
        let (kind, subtype) = offer.split_once('/').expect("an offer is a media type");
        let suffix_covers = |suffix: &str| {
            subtype
                .rsplit_once('+')
                .is_some_and(|(_, s)| s.eq_ignore_ascii_case(suffix))
        };
        match (self.kind, self.subtype) {
            ("*", "*") => true,
            (own, "*") => own.eq_ignore_ascii_case(kind),
            (own, own_subtype) => {
                own.eq_ignore_ascii_case(kind)
                    && (own_subtype.eq_ignore_ascii_case(subtype)
                        || own_subtype.strip_prefix("*+").is_some_and(suffix_covers))
            }
        }
    }

    /// How precisely the element names a type: from 0 for `*/*` to 3 for a full name.
    fn precision(&self) -> u8 {
        match (self.kind, self.subtype) {
            ("*", _) => 0,
            (_, "*") => 1,
            (_, subtype) if subtype.starts_with("*+") => 2,
            _ => 3,
        }
    }

    fn rank(&self) -> (u16, u8, std::cmp::Reverse<usize>) {
        (self.quality, self.precision(), std::cmp::Reverse(self.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_follows_the_accept_header() {
        let cases = [
            (None, Some(HAL)),
            (Some(""), Some(HAL)),
            (Some("*/*"), Some(HAL)),
            (Some("application/*"), Some(HAL)),
            (Some("application/*+json"), Some(HAL)),
            (Some("application/json"), Some(JSON)),
            (Some("APPLICATION/JSON"), Some(JSON)),
            (Some("application/json;charset=UTF-8"), Some(JSON)),
            (Some("application/json, */*;q=0.5"), Some(JSON)),
            (Some("application/json, text/plain, */*"), Some(JSON)),
            (Some("application/hal+json, application/json"), Some(HAL)),
            (Some("application/json, application/hal+json"), Some(JSON)),
            (Some("application/json;q=0.5, application/hal+json"), Some(HAL)),
            (Some("text/html, */*;q=0.8"), Some(HAL)),
            (Some("application/hal+json;q=0, */*"), Some(JSON)),
            (Some("text/html"), None),
            (Some("*/*;q=0"), None),
            (Some("application/xml, text/*"), None),
            (Some("nonsense"), None),
            (Some("application/json;q=x"), None),
        ];
        for (accept, form) in cases {
            assert_eq!(negotiate(accept, &[HAL, JSON]), form, "{accept:?}");
        }
    }
}
