//! The links of a resource.

use serde::{Serialize, Serializer};

/// Links in order: each with its rel, its href, and whether the href is a template.
#[derive(Default)]
pub(super) struct Links(Vec<(&'static str, String, bool)>);

impl Links {
    pub(super) fn add(&mut self, rel: &'static str, href: String) {
        self.0.push((rel, href, false));
    }

    pub(super) fn add_some(&mut self, rel: &'static str, href: Option<String>) {
        self.0.extend(href.map(|href| (rel, href, false)));
    }

    pub(super) fn add_template(&mut self, rel: &'static str, href: String) {
        self.0.push((rel, href, true));
    }

    #[cfg(test)]
    pub(super) fn rels(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(rel, ..)| *rel)
    }
}

impl Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hrefs = self.0.iter().map(|(rel, href, templated)| {
            (
                rel,
                Href {
                    href,
                    templated: *templated,
                },
            )
        });
        serializer.collect_map(hrefs)
    }
}

/// The target of a link, as HAL writes it.
#[derive(Serialize)]
pub(super) struct Href<'a> {
    pub href: &'a str,
    /// Whether the href is a template (RFC 6570) that the client has to fill in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub templated: bool,
}
