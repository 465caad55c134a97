//! Patterns of topic names. Kafka takes them as Java's regular expressions, which know more than the usual ones: a user who
//! leaves topics out writes `(?!__).*`.

mod java;
mod separator;

use fancy_regex::{Error, Regex};

use crate::console;

pub use java::PatternError;
pub use separator::Separator;

/// A pattern that a topic's whole name has to match.
#[derive(Debug, Clone)]
pub struct TopicPattern(Regex);

impl TopicPattern {
    /// Reads a pattern as kafka-topics does: a comma means `|`, and blanks and quotes around it don't count.
    ///
    /// # Errors
    /// Says that it is no regular expression; why, it tells on standard error, as Kafka's tool does.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expression = text.replace(',', "|").replace(' ', "");
        let expression = expression.trim_matches(['"', '\'']);
        Self::exactly(expression).map_err(|error| match error {
            PatternError::Invalid(why) => {
                console::say(&format!("{text}: {why}"));
                format!("{text} is an invalid regex.")
            }
            unsupported @ PatternError::Unsupported(_) => unsupported.to_string(),
        })
    }

    /// Reads a regular expression of Java.
    ///
    /// # Errors
    /// Says why it is none, or what of it is not supported.
    pub fn exactly(expression: &str) -> Result<Self, PatternError> {
        let translated = java::translated(expression)?;
        match Regex::new(&format!("\\A(?:{translated})\\z")) {
            Ok(regex) => Ok(Self(regex)),
            Err(Error::ParseError(_, why)) => Err(PatternError::Invalid(why.to_string())),
            Err(error) => Err(PatternError::Invalid(error.to_string())),
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
            ("(?i)X", "x"),
            ("(?d)x", "x"),
            ("\\d\\w", "1a"),
            ("\\p{Alnum}+", "aZ9"),
            ("[\\p{Lower}_]+", "a_b"),
            ("\\P{Upper}", "a"),
            ("[a-c&&[^b]]", "c"),
            ("\\Qa.b\\E.", "a.bc"),
            ("a*+b", "aab"),
            ("(?<one>a)\\k<one>", "aa"),
            ("\\x61\\u0062", "ab"),
            ("[]]", "]"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("kafka", "kafka.scaling"),
            ("kafka\\.s", "kafkaxs"),
            (".+", ""),
            ("a|b", "ab"),
            ("(?!__).*", "__consumer_offsets"),
            // Hexadecimal digits and borders of words in other dialects.
            ("\\h", "a"),
            ("\\<a", "a"),
            ("\\Qa.b\\E", "axb"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "[",
            "(",
            "*",
            "a**",
            "a{1",
            "{1}",
            "a{,2}",
            "\\y",
            "\\K",
            "\\g<0>",
            "(?P<a>b)",
            "\\",
            "[^]",
            "\\p{Nonsense}",
            "(?<1>a)",
            "\\xzz",
        ] {
            let error = TopicPattern::parse(text).expect_err(text);
            assert_eq!(error, format!("{text} is an invalid regex."));
        }
    }

    #[test]
    fn what_only_java_knows_is_named() {
        for (text, what) in [
            ("(?x)a", "(?x)"),
            ("[a--b]", "-- in"),
            ("[[:alpha:]]", "[: in"),
            ("\\0101", "\\0"),
            ("a\\R", "\\R"),
        ] {
            let error = TopicPattern::parse(text).expect_err(text);
            assert!(error.contains(what) && error.contains("not supported"), "{error}");
        }
    }

    #[test]
    fn a_comma_counts_something_only_where_it_stands_for_itself() {
        assert!(TopicPattern::exactly("a{2,}?").expect("an expression").matches("aaa"));
        assert!(!TopicPattern::exactly("a,b").expect("an expression").matches("a"));
    }
}
