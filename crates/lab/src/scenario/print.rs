//! Writes a scenario as a file says it.

use std::fmt;

use shop::text::Text;

use super::model::{Head, Line, Run, Scenario, Step};

/// The text of a file that says the same. Comments are not kept.
impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.fmt(f)?;
        paragraph(f, &self.settings)?;
        paragraph(f, &self.steps)
    }
}

fn paragraph<T: fmt::Display>(f: &mut fmt::Formatter<'_>, lines: &[Line<T>]) -> fmt::Result {
    if !lines.is_empty() {
        writeln!(f)?;
    }
    lines.iter().try_for_each(|line| match line.run {
        Some(run) => writeln!(f, "{run} {}", line.says),
        None => writeln!(f, "{}", line.says),
    })
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        prose(f, "title", &self.title)?;
        listed(f, "anomaly", &self.anomalies)?;
        if let Some(lesson) = self.lesson {
            writeln!(f, "lesson {lesson}")?;
        }
        listed(f, "worlds", &self.worlds)?;
        if self.runs != Run::ALL {
            listed(f, "runs", &self.runs)?;
        }
        if let Some(why) = &self.described {
            // The line says that it is only described, also if it says no more.
            if *why == Text::default() {
                writeln!(f, "described en")?;
            }
            prose(f, "described", why)?;
        }
        prose(f, "explain", &self.explain)?;
        prose(f, "question", &self.question)?;
        prose(f, "answer", &self.answer)?;
        prose(f, "cure", &self.cure)
    }
}

fn listed<T: fmt::Display>(f: &mut fmt::Formatter<'_>, word: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(f, "{word}")?;
    items.iter().try_for_each(|item| write!(f, " {item}"))?;
    writeln!(f)
}

/// Both languages, each with its lines below it.
fn prose(f: &mut fmt::Formatter<'_>, word: &str, text: &Text) -> fmt::Result {
    for (language, text) in [("en", &text.english), ("ko", &text.korean)] {
        if text.is_empty() {
            continue;
        }
        match text.lines().count() {
            1 => writeln!(f, "{word} {language} {text}")?,
            _ => {
                writeln!(f, "{word} {language}")?;
                text.lines().try_for_each(|line| match line {
                    "" => writeln!(f),
                    line => writeln!(f, "  {line}"),
                })?;
            }
        }
    }
    Ok(())
}

/// The line of the file.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do(action) => action.fmt(f),
            Self::WaitUntil(sight) => write!(f, "wait until {sight}"),
            Self::Settle => f.write_str("settle"),
            Self::Expect(expectation) => expectation.fmt(f),
        }
    }
}
