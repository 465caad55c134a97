//! Patterns of topic names. Kafka takes them as Java's regular expressions, which know more than the usual ones: a user who
//! leaves topics out writes `(?!__).*`.

use fancy_regex::{Error, Regex};

use crate::console;

/// A pattern that a topic's whole name has to match.
#[derive(Debug, Clone)]
pub struct TopicPattern(Regex);

impl TopicPattern {
    /// Reads a pattern as Kafka's tools do: a comma means `|`, and blanks and quotes around it don't count.
    ///
    /// # Errors
    /// Says that it is no regular expression; why, it tells on standard error, as Kafka's tools do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = text.replace(',', "|").replace(' ', "");
        let expression = expression.trim_matches(['"', '\'']);
        match Regex::new(&format!("^(?:{expression})$")) {
            Ok(regex) => Ok(Self(regex)),
            Err(error) => {
                let why = match error {
                    Error::ParseError(_, why) => why.to_string(),
                    error => error.to_string(),
                };
                console::say(&format!("{text}: {why}"));
                Err(format!("{text} is an invalid regex."))
            }
        }
    }

    /// Whether the whole of the name matches. A name on which the expression takes too long does not.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        TopicPattern::parse(pattern).expect("an expression").matches(name)
    }

    #[test]
    fn literals_dots_stars_and_alternatives() {
        for (pattern, name) in [
            ("kafka.scaling", "kafka.scaling"),
            ("kafka.*", "kafka.scaling"),
            ("a|b", "b"),
            ("a,b", "a"),
            ("\"a, b\"", "b"),
            ("kafka\\.scaling", "kafka.scaling"),
            (".+", "x"),
            ("[a-c]{2}", "ca"),
            ("(?!__).*", "orders"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("kafka", "kafka.scaling"),
            ("kafka\\.s", "kafkaxs"),
            (".+", ""),
            ("a|b", "ab"),
            ("(?!__).*", "__consumer_offsets"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["[", "(", "*"] {
            let error = TopicPattern::parse(text).expect_err(text);
            assert_eq!(error, format!("{text} is an invalid regex."));
        }
    }
}
