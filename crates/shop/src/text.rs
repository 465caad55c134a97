//! Sentences in both languages that a reader may choose: English, and Korean, which is the course's.
//!
//! The two stand side by side where a sentence is made, so that neither is forgotten when it changes. Names of anomalies,
//! statuses, options and fields are the same in both. Which language is read is decided where a sentence is printed.

use std::ops::{Add, AddAssign};

/// A language that a reader may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English
    #[default]
    English,
    /// Korean
    Korean,
}

/// A sentence, or a part of one, in each language.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// In English.
    pub english: String,
    /// In Korean.
    pub korean: String,
}

impl Text {
    /// The sentence in this language.
    pub fn into_language(self, language: Language) -> String {
        match language {
            Language::English => self.english,
            Language::Korean => self.korean,
        }
    }

    /// These texts, one after the other.
    pub fn joined<'a>(texts: impl IntoIterator<Item = &'a Self>, between: impl Into<Self>) -> Self {
        let (texts, between): (Vec<&Self>, Self) = (texts.into_iter().collect(), between.into());
        let join = |part: fn(&Self) -> &str| {
            let parts: Vec<&str> = texts.iter().map(|text| part(text)).collect();
            parts.join(part(&between))
        };
        Self {
            english: join(|text| &text.english),
            korean: join(|text| &text.korean),
        }
    }
}

impl Add for Text {
    type Output = Self;

    fn add(mut self, more: Self) -> Self {
        self += more;
        self
    }
}

impl AddAssign for Text {
    fn add_assign(&mut self, more: Self) {
        self.english += &more.english;
        self.korean += &more.korean;
    }
}

/// A word with the Korean particle that it takes: one behind a consonant, such as `을`, and another one behind a vowel, such as
/// `를`. A digit is read as in Korean, but `v3` as in English; letters count as ending in a vowel.
pub fn with_particle(word: &str, consonant: &str, vowel: &str) -> String {
    let ends_in_consonant = match word.chars().last() {
        // Syllables stand in groups of 28, one for each consonant at their end; the first of a group has none.
        Some(syllable @ '가'..='힣') => !(syllable as u32 - '가' as u32).is_multiple_of(28),
        Some('3') => !word.ends_with("v3"),
        last => matches!(last, Some('0' | '1' | '6' | '7' | '8')),
    };
    format!("{word}{}", if ends_in_consonant { consonant } else { vowel })
}

/// What reads the same in every language, like a name or a number.
impl From<String> for Text {
    fn from(same: String) -> Self {
        Self {
            english: same.clone(),
            korean: same,
        }
    }
}

/// What reads the same in every language, like a name or a number.
impl From<&str> for Text {
    fn from(same: &str) -> Self {
        same.to_owned().into()
    }
}

/// Writes a sentence in English and in Korean, each with the values in scope: `text!("v{version} is gone", "v{version} 없음")`.
///
/// Variables that are a [`Text`](crate::text::Text) themselves are named behind the sentences, and read in the language of each:
/// `text!("the {service} is busy", "{service} 바쁨"; service)`.
#[macro_export]
macro_rules! text {
    ($english:literal, $korean:literal $(,)?) => {
        $crate::text::Text {
            english: ::std::fmt::format(::std::format_args!($english)),
            korean: ::std::fmt::format(::std::format_args!($korean)),
        }
    };
    ($english:literal, $korean:literal; $($part:ident),+ $(,)?) => {
        $crate::text::Text {
            english: {
                $(let $part = &$part.english;)+
                ::std::fmt::format(::std::format_args!($english))
            },
            korean: {
                $(let $part = &$part.korean;)+
                ::std::fmt::format(::std::format_args!($korean))
            },
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_read_in_the_language_that_was_chosen() {
        let version = 2;
        let text = text!("v{version} took effect twice", "v{version} 이벤트가 두 번 반영됨");
        assert_eq!(text.clone().into_language(Language::English), "v2 took effect twice");
        assert_eq!(text.clone().into_language(Language::Korean), "v2 이벤트가 두 번 반영됨");
        let same = Text::from("split-key");
        assert_eq!(
            Text::joined([&same, &text], ": ").english,
            "split-key: v2 took effect twice"
        );
        assert_eq!((same + text).korean, "split-keyv2 이벤트가 두 번 반영됨");
    }

    #[test]
    fn a_word_takes_the_particle_of_its_last_sound() {
        let read = ["delivery-1", "delivery-2", "v3", "P3", "order", "주문", "배송", "저기"]
            .map(|word| with_particle(word, "이", "가"));
        let written = [
            "delivery-1이",
            "delivery-2가",
            "v3가",
            "P3이",
            "order가",
            "주문이",
            "배송이",
            "저기가",
        ];
        assert_eq!(read, written);
    }

    #[test]
    fn a_text_within_a_sentence_is_read_in_its_language() {
        let (service, count) = (text!("order service", "주문 서비스"), 2);
        let text = text!("the {service} has {count}", "{service}에 {count}건 있음"; service);
        assert_eq!(text.english, "the order service has 2");
        assert_eq!(text.korean, "주문 서비스에 2건 있음");
        let both = Text::joined([&service, &service], text!(" and ", ", "));
        assert_eq!(both.english, "order service and order service");
        assert_eq!(both.korean, "주문 서비스, 주문 서비스");
    }
}
