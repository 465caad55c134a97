//! In which language people are spoken to: as `--lang` asks, or as the locale does.
//!
//! What machines read, like JSON, exit codes, and the names of anomalies and statuses, is the same in every language.

use clap::{Args, ValueEnum};
use shop::text::{Language, Text};

/// The option that chooses the language.
#[derive(Debug, Clone, Copy, Args)]
pub struct LanguageOption {
    /// Language of event lines, verdicts and findings; JSON is English [default: the locale's, if it is one of these]
    #[arg(long, env = "MALL_LANG", value_enum, value_name = "LANG", help_heading = "Logs")]
    lang: Option<Lang>,
}

/// A language, by its code in ISO 639.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// English
    En,
    /// 한국어
    Ko,
}

impl LanguageOption {
    /// A text in the language that was asked for, or else that of the locale.
    pub fn read(self, text: Text) -> String {
        text.into_language(self.language())
    }

    /// The language that was asked for, or else that of the locale.
    pub fn language(self) -> Language {
        match self.lang {
            Some(Lang::En) => Language::English,
            Some(Lang::Ko) => Language::Korean,
            None => {
                // The first of these that is set decides, as POSIX has it.
                let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
                    .map(std::env::var)
                    .into_iter()
                    .flatten();
                of_locale(set.into_iter().find(|value| !value.is_empty()).as_deref())
            }
        }
    }
}

/// The language of a locale like `ko_KR.UTF-8`. English where the locale's characters are not Unicode's.
fn of_locale(locale: Option<&str>) -> Language {
    let (name, characters) = locale.and_then(|locale| locale.split_once('.')).unwrap_or_default();
    let characters = characters.split('@').next().unwrap_or_default();
    let unicode = ["utf-8", "utf8"].contains(&characters.to_ascii_lowercase().as_str());
    match name.split('_').next() {
        Some("ko") if unicode => Language::Korean,
        _ => Language::English,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_korean_locale_speaks_korean_where_its_characters_can_be_shown() {
        for korean in ["ko_KR.UTF-8", "ko_KR.utf8", "ko.UTF-8", "ko_KR.UTF-8@hangul"] {
            assert_eq!(of_locale(Some(korean)), Language::Korean, "{korean}");
        }
        for other in [
            "",
            "C",
            "C.UTF-8",
            "en_US.UTF-8",
            "kok_IN.UTF-8",
            "ko_KR",
            "ko_KR.eucKR",
        ] {
            assert_eq!(of_locale(Some(other)), Language::English, "{other}");
        }
        assert_eq!(of_locale(None), Language::English);
    }
}
