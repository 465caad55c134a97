//! Which options hold secrets, and what is shown in a secret's place.

/// The options whose values are never shown.
pub const SECRET_OPTIONS: [&str; 2] = ["database-url", "kafka-property"];

/// What is shown in a secret's place.
pub const MASK: &str = "***";

/// A property of the Kafka client as it may be shown: without its value, if its name says that this is a secret.
pub fn masked_property(property: &str) -> String {
    let Some((name, _)) = property.split_once('=') else {
        return MASK.to_owned();
    };
    let lower = name.to_ascii_lowercase();
    let secret = [
        "password",
        "secret",
        "jaas",
        "token",
        "credential",
        "ssl.key",
        "sasl.oauthbearer",
        "pem",
    ];
    match secret.iter().any(|word| lower.contains(word)) {
        // What does not look like a name may be the secret itself.
        true if name.len() <= 80
            && name
                .chars()
                .all(|c| c.is_ascii_alphabetic() || matches!(c, '.' | '-' | '_')) =>
        {
            format!("{name}={MASK}")
        }
        true => MASK.to_owned(),
        false => property.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_masked_if_its_name_says_that_it_is_a_secret() {
        assert_eq!(masked_property("sasl.password=x"), "sasl.password=***");
        assert_eq!(masked_property("group.protocol=consumer"), "group.protocol=consumer");
        assert_eq!(masked_property("no equals sign"), "***");
    }
}
