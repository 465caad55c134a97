//! The options of a tool, read as Kafka's tools read theirs: one dash or two, `--name value` or `--name=value`, never
//! abbreviated.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::config::shown;

/// An option that a tool knows.
#[derive(Debug)]
pub struct Opt {
    /// The option's name without dashes.
    pub name: &'static str,
    /// What the usage calls its value; none for a flag.
    pub value: Option<&'static str>,
    /// The value if the option is given without one; none if it must have one.
    pub default: Option<&'static str>,
    /// Whether the option may be given more than once.
    repeated: bool,
    /// Whether this tool does what Kafka's tool does with the option.
    pub is_supported: bool,
    /// What the option is for, in a sentence for the usage.
    pub about: &'static str,
}

impl Opt {
    /// An option with a value, given at most once.
    pub const fn value(name: &'static str, value: &'static str, about: &'static str) -> Self {
        Self {
            name,
            value: Some(value),
            default: None,
            repeated: false,
            is_supported: true,
            about,
        }
    }

    /// An option of Kafka's tool that is refused here by its name. `instead` says why, or what to do instead.
    pub const fn unsupported(name: &'static str, value: Option<&'static str>, instead: &'static str) -> Self {
        Self {
            value,
            is_supported: false,
            ..Self::flag(name, instead)
        }
    }

    /// An option with a value that may be given several times.
    pub const fn repeated(name: &'static str, value: &'static str, about: &'static str) -> Self {
        Self {
            repeated: true,
            ..Self::value(name, value, about)
        }
    }

    /// An option that stands for `default` if no value follows it.
    pub const fn optional(name: &'static str, value: &'static str, default: &'static str, about: &'static str) -> Self {
        Self {
            default: Some(default),
            ..Self::value(name, value, about)
        }
    }

    /// An option without a value.
    pub const fn flag(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            value: None,
            default: None,
            repeated: false,
            is_supported: true,
            about,
        }
    }
}

/// The options that were given, each with its values.
#[derive(Debug, Default)]
pub struct Given {
    values: BTreeMap<&'static str, Vec<String>>,
    /// The last value of each option as it was given, which need not be UTF-8.
    raw: BTreeMap<&'static str, OsString>,
}

impl Given {
    /// Reads the words. Words that belong to no option are passed over, as Kafka's tools do.
    pub fn parse(words: &[OsString], options: &[&Opt]) -> Result<Self, String> {
        let mut given = Self::default();
        let words = words.iter().map(|raw| (raw, raw.to_string_lossy().into_owned()));
        let mut words = words.peekable();
        while let Some((raw, word)) = words.next() {
            if word == "--" {
                break;
            }
            let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                continue;
            };
            let (name, attached) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (rest, None),
            };
            let option = options
                .iter()
                .find(|option| option.name == name)
                .ok_or_else(|| unknown(name))?;
            let values = given.values.entry(option.name).or_default();
            match (option.value, attached) {
                // As in Kafka's tools, what is attached to a flag doesn't count.
                (None, _) => {}
                (Some(_), Some(value)) => {
                    values.push(value);
                    given.raw.insert(option.name, behind_equals_sign(raw));
                }
                (Some(_), None) => {
                    let next = match option.default {
                        Some(_) => words.next_if(|(_, word)| !word.starts_with('-')),
                        None => words.next(),
                    };
                    let (raw, value) = match (next, option.default) {
                        (Some((raw, value)), _) => (raw.clone(), value),
                        (None, Some(default)) => (default.into(), default.to_owned()),
                        (None, None) => return Err(format!("Option {name} requires an argument")),
                    };
                    values.push(value);
                    given.raw.insert(option.name, raw);
                }
            }
            if values.len() > 1 && !option.repeated {
                return Err(format!(
                    "Found multiple arguments for option {name}, but you asked for only one"
                ));
            }
        }
        Ok(given)
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The values of the option, in the order in which they were given.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of the option, the last one if there are several.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last().map(String::as_str)
    }

    /// The value of the option as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw.get(name).map(PathBuf::from)
    }

    /// The value of the option as a number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        self.last(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| format!("Cannot parse argument '{}' of option {name}", shown(name, text)))
            })
            .transpose()
    }
}

/// Kafka's sentence about two options that exclude each other.
pub fn cannot_be_used_together(one: &str, other: &str) -> String {
    format!("Option \"[{one}]\" can't be used with option \"[{other}]\"")
}

fn behind_equals_sign(word: &OsStr) -> OsString {
    let bytes = word.as_bytes();
    let behind = bytes
        .iter()
        .position(|byte| *byte == b'=')
        .map_or(bytes.len(), |at| at + 1);
    OsStr::from_bytes(&bytes[behind..]).to_owned()
}

fn unknown(name: &str) -> String {
    let sentence = format!("{name} is not a recognized option");
    match name {
        "zookeeper" | "broker-list" => format!(
            "{sentence}: it is an option of older versions of Kafka. Use --bootstrap-server HOST:PORT instead, or leave it out for the embedded log"
        ),
        _ => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [Opt; 4] = [
        Opt::value("topic", "T", ""),
        Opt::optional("codec", "C", "gzip", ""),
        Opt::repeated("property", "P", ""),
        Opt::flag("list", ""),
    ];

    fn parse(words: &[&str]) -> Result<Given, String> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        Given::parse(&words, &OPTIONS.iter().collect::<Vec<_>>())
    }

    #[test]
    fn one_dash_or_two_and_an_equals_sign() {
        for words in [&["-topic", "a"][..], &["--topic", "a"], &["--topic=a"], &["-topic=a"]] {
            assert_eq!(parse(words).expect("good").last("topic"), Some("a"), "{words:?}");
        }
        let given = parse(&["--property", "key.separator==", "--list", "--property=a=b"]).expect("good");
        assert_eq!(given.all("property"), ["key.separator==", "a=b"]);
        assert!(given.has("list"));
        assert_eq!(parse(&["--topic", "-3"]).expect("good").last("topic"), Some("-3"));
    }

    #[test]
    fn an_option_may_stand_for_a_default() {
        for (words, codec) in [
            (&["--codec"][..], "gzip"),
            (&["--codec", "--topic", "a"], "gzip"),
            (&["--codec", "lz4", "--topic", "a"], "lz4"),
            (&["--codec=zstd"], "zstd"),
        ] {
            assert_eq!(parse(words).expect("good").last("codec"), Some(codec), "{words:?}");
        }
        assert!(parse(&["--topic", "a"]).expect("good").last("codec").is_none());
    }

    #[test]
    fn errors_read_as_kafkas() {
        assert_eq!(
            parse(&["--foo"]).expect_err("unknown"),
            "foo is not a recognized option"
        );
        assert_eq!(
            parse(&["--top", "x"]).expect_err("short"),
            "top is not a recognized option"
        );
        assert_eq!(
            parse(&["--topic"]).expect_err("no value"),
            "Option topic requires an argument"
        );
        let twice = parse(&["--topic", "a", "--topic", "b"]).expect_err("twice");
        assert_eq!(
            twice,
            "Found multiple arguments for option topic, but you asked for only one"
        );
        let number = parse(&["--topic", "x"]).expect("good").number::<u32>("topic");
        assert_eq!(
            number.expect_err("no number"),
            "Cannot parse argument 'x' of option topic"
        );
        assert!(
            parse(&["--zookeeper", "x"])
                .expect_err("old")
                .contains("--bootstrap-server")
        );
    }

    #[test]
    fn a_path_need_not_be_utf_8() {
        for words in [&[&b"--topic"[..], b"a\xff"][..], &[b"--topic=a\xff"]] {
            let words: Vec<_> = words.iter().map(|word| OsStr::from_bytes(word).to_owned()).collect();
            let given = Given::parse(&words, &OPTIONS.iter().collect::<Vec<_>>()).expect("good");
            let path = given.path("topic").expect("given");
            assert_eq!(path.as_os_str().as_bytes(), b"a\xff");
        }
    }
}
