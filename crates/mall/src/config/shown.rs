//! How the value of an option is shown to people: without any secret in it.

use super::database_url::masked_url;
use super::masked::masked_property;

/// The value of an option as it may be shown.
pub fn shown(option: &str, value: &str) -> String {
    match option {
        "database-url" => masked_url(value),
        "kafka-property" => masked_property(value),
        _ => masked_text(value),
    }
}

/// A text that was given where it makes no sense. It may be anything, also an address with a password, or a property that is
/// a secret.
pub fn masked_text(text: &str) -> String {
    let property = masked_property(text);
    if is_bare_address(text) {
        text.to_owned()
    } else if text.contains("://") || text.contains('@') {
        masked_url(text)
    } else if text.contains('=') && property != text {
        property
    } else {
        text.to_owned()
    }
}

/// Whether a text is an HTTP address that consists of a host and a path alone. There is no place for a password in one, and a
/// user who got it wrong has to see it.
fn is_bare_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_even_where_nothing_parses() {
        assert_eq!(masked_text("https://shop.example/a"), "https://shop.example/a");
        for secret in [
            "https://u:secret@shop.example/",
            "https://u:secret",
            "https://a/b?token=secret",
        ] {
            assert!(!masked_text(secret).contains("secret"), "{secret}");
        }
    }
}
