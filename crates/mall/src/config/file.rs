//! `mall.toml`: the options of the command line as keys, without their dashes.
//!
//! ```toml
//! bootstrap-server = "localhost:9092"
//! modify-delay = "500ms"
//! kafka-property = ["security.protocol=SSL"]
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Command;
use shop::spelling::distance;

use super::masked::SECRET_OPTIONS;
use super::options::{Ports, RoleOptions};
use super::shown::masked_text;
use crate::exit::Usage;

/// A configuration file.
#[derive(Debug, Default)]
pub struct ConfigFile {
    /// Where the file was found.
    pub path: PathBuf,
    /// The values of each option, as texts.
    values: BTreeMap<String, Vec<String>>,
}

impl ConfigFile {
    /// Reads the file that the command line or the environment names, else `mall.toml` if there is one.
    pub fn find(words: &[OsString]) -> Result<Self> {
        let named = option_in(words, "config").or_else(|| std::env::var_os("MALL_CONFIG"));
        let path = PathBuf::from(named.clone().unwrap_or_else(|| "mall.toml".into()));
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(Self::default()),
            Err(error) => {
                let shown = masked_text(&path.to_string_lossy());
                Err(Usage(format!("can't read the configuration file {shown}: {error}")).into())
            }
        }
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let place = path.display();
        // The parser's message may quote the line, which may hold a password.
        let table: toml::Table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(0, |span| text[..span.start.min(text.len())].lines().count().max(1));
            let quotes = |word: &str| word.len() > 2 && text.contains(word);
            let words = error.message().split(|c: char| !c.is_alphanumeric());
            let why = match words.into_iter().any(quotes) {
                true => "",
                false => error.message(),
            };
            Usage(
                format!("{place} is not TOML, at line {line}: {why}")
                    .trim_end_matches([':', ' '])
                    .to_owned(),
            )
        })?;
        let allowed = allowed();
        let mut values = BTreeMap::new();
        for (key, value) in table {
            if !allowed.contains(&key) {
                return Err(unknown(&path, &key, &allowed).into());
            }
            let texts = texts(value).ok_or_else(|| {
                Usage(format!(
                    "{place}: {key} must be a text, a number, true or false, or a list of texts"
                ))
            })?;
            values.insert(key, texts);
        }
        Ok(Self { path, values })
    }

    /// The file's value for this option, the last of several.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.values.get(option)?.last().map(String::as_str)
    }

    /// Whether the file has a value for this option.
    pub fn gives(&self, option: &str) -> bool {
        self.values.contains_key(option)
    }

    /// The command, with the file's values as defaults of it and of its subcommands.
    pub fn as_defaults(&self, command: Command) -> Command {
        // Options are found by their ids: one with another meaning may look the same on the command line (--key of mall audit).
        let command = command.mut_args(|arg| match self.values.get(&arg.get_id().as_str().replace('_', "-")) {
            Some(values) => {
                let secret = arg.get_long().is_some_and(|long| SECRET_OPTIONS.contains(&long));
                arg.default_values(values.clone()).hide_default_value(secret)
            }
            None => arg,
        });
        command.mut_subcommands(|subcommand| self.as_defaults(subcommand))
    }
}

/// Whether `--log json` was given. This is found out before anything is parsed, so that an error of the parser can be
/// written as JSON too.
pub fn wants_json(words: &[OsString], file: Option<&ConfigFile>) -> bool {
    let named = option_in(words, "log").or_else(|| std::env::var_os("MALL_LOG"));
    named
        .or_else(|| file?.value("log").map(OsString::from))
        .is_some_and(|format| format == "json")
}

/// The value of `--name VALUE` or `--name=VALUE`, found without parsing the command line.
fn option_in(words: &[OsString], name: &str) -> Option<OsString> {
    let long = format!("--{name}");
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if *word == *long {
            return words.next().cloned();
        }
        if let Some(value) = word
            .to_str()
            .and_then(|word| word.strip_prefix(&long)?.strip_prefix('='))
        {
            return Some(value.into());
        }
    }
    None
}

/// Every key that a configuration file may have.
fn allowed() -> Vec<String> {
    let command = <Ports as clap::Args>::augment_args(<RoleOptions as clap::Args>::augment_args(Command::new("")));
    let names = command
        .get_arguments()
        .filter_map(|arg| arg.get_long().map(str::to_owned));
    names.filter(|name| name != "config").collect()
}

fn texts(value: toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text]),
        toml::Value::Integer(number) => Some(vec![number.to_string()]),
        toml::Value::Boolean(truth) => Some(vec![truth.to_string()]),
        toml::Value::Array(values) => values
            .into_iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

fn unknown(path: &Path, key: &str, allowed: &[String]) -> Usage {
    let nearest = allowed.iter().min_by_key(|name| distance(key, name));
    let hint = match nearest.filter(|name| distance(key, name) <= 3) {
        Some(name) => format!("; did you mean {name}?"),
        None => ".".to_owned(),
    };
    let (place, key, allowed) = (path.display(), masked_text(key), allowed.join(", "));
    Usage(format!("{place}: there is no option {key}{hint} Allowed: {allowed}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        ConfigFile::parse("mall.toml".into(), text)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn keys_are_the_options() {
        let file = ConfigFile::parse(
            "mall.toml".into(),
            "partitions = 2\ncourse = true\nkafka-property = ['a=b', 'c=d']\n",
        );
        let file = file.expect("good");
        assert_eq!(file.values["partitions"], ["2"]);
        assert_eq!(file.values["course"], ["true"]);
        assert_eq!(file.values["kafka-property"], ["a=b", "c=d"]);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = error("modify-dealy = '1s'");
        assert!(
            error.contains("no option modify-dealy; did you mean modify-delay?"),
            "{error}"
        );
        assert!(error.contains("bootstrap-server"), "{error}");
    }

    #[test]
    fn a_broken_file_names_its_line_and_quotes_nothing() {
        let error = error("topic = 'x'\nkafka-property = 'sasl.password=hunter2\n");
        assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The password is made of letters that stand in no message, and is put between random texts.
        #[test]
        fn a_file_never_panics_and_no_value_of_it_is_quoted(
            before in "(topic = 'x'|database-url = |kafka-property = \\[|[a-z-]{0,10} ?= ?|\\[|#|)(\n|)",
            quote in "['\"]{0,3}",
            secret in "[QZЖ]{3,8}[:@/#?%=\\\\]?[QZЖ]{3,8}",
            after in "['\"\\],\\[= \n\\\\x{}]{0,8}",
        ) {
            let text = format!("{before}{quote}{secret}{after}");
            if let Err(error) = ConfigFile::parse("mall.toml".into(), &text) {
                // A message may name an unknown option, but never repeats a value.
                let named = error.to_string().contains("there is no option");
                prop_assert!(named || !error.to_string().contains(['Q', 'Z', 'Ж']), "{text:?}: {error}");
            }
        }

        #[test]
        fn an_address_that_stands_as_a_key_is_not_shown(secret in "[QZЖ]{3,8}") {
            for key in [format!("mysql://root:{secret}@h/d"), format!("{secret}@h"), format!("sasl.password={secret}")] {
                let error = error(&format!("\"{key}\" = 1"));
                prop_assert!(!error.contains(&secret), "{error}");
            }
        }
    }

    #[test]
    fn the_file_is_named_in_two_ways() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(option_in(&words(&["up", "--config", "a"]), "config"), Some("a".into()));
        assert_eq!(option_in(&words(&["up", "--config=b"]), "config"), Some("b".into()));
        assert_eq!(option_in(&words(&["up", "--", "--config=b"]), "config"), None);
    }
}
