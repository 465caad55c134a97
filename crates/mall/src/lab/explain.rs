//! `mall lab explain`: what goes wrong and why, and a question.

use anyhow::Result;
use clap::Args;
use shop::text;
use shop::text::Text;

use super::found::{Found, find};
use super::screen::{Colour, Screen};
use crate::console::shell_word;
use crate::exit::Exit;
use crate::language::LanguageOption;

pub const HELP: &str = "\
Examples:
  mall lab explain zombie
  mall lab explain zombie --answer
  mall lab explain zombie --lang ko";

/// The options of `mall lab explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Name of a scenario (mall lab list), or path of a file
    #[arg(value_name = "NAME")]
    name: String,

    /// Answers the question, and says what helps
    #[arg(long)]
    answer: bool,

    #[command(flatten)]
    language: LanguageOption,
}

/// Prints the explanation.
pub fn run(args: &ExplainArgs) -> Result<Exit> {
    let Found { scenario, .. } = find(&args.name)?;
    // A file of one's own is found by its path alone.
    let name = shell_word(&args.name);
    let (screen, head) = (Screen::stdout(), scenario.head);
    let read = |text| args.language.read(text);
    screen.line(&read(head.title), Colour::Bold);
    screen.line("", Colour::Plain);
    screen.lines(&read(head.explain), Colour::Plain);
    if let Some(why) = head.described {
        screen.line("", Colour::Plain);
        screen.line(
            &read(text!("Why nothing can be run:", "실행할 수 없는 이유:")),
            Colour::Plain,
        );
        screen.lines(&read(why), Colour::Plain);
    }
    let asks = head.question != Text::default();
    if asks {
        screen.line("", Colour::Plain);
        screen.lines(&read(head.question), Colour::Bold);
    }
    screen.line("", Colour::Plain);
    if args.answer {
        screen.lines(&read(head.answer), Colour::Plain);
    }
    if args.answer || !asks {
        screen.lines(&read(text!("What helps: ", "해결책: ") + head.cure), Colour::Green);
    } else {
        screen.line(&read(way_on(&name, !head.runs.is_empty())), Colour::Dim);
    }
    Ok(Exit::DONE)
}

/// What a reader does next who has read the question.
fn way_on(name: &str, runs: bool) -> Text {
    let answer = text!(
        "The answer: mall lab explain {name} --answer",
        "답: mall lab explain {name} --answer"
    );
    match runs {
        true => text!("See it: mall lab run {name}      ", "실행: mall lab run {name}      ") + answer,
        false => answer,
    }
}
