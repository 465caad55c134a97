//! `mall lab show`: the file of a scenario, with its parts told apart by colour on a terminal.

use anyhow::Result;
use clap::Args;

use super::found::find;
use super::screen::{Colour, Screen};
use crate::exit::Exit;

pub const HELP: &str = "\
Examples:
  mall lab show zombie
  mall lab show zombie > mine.lab      to change it, and run it: mall lab run ./mine.lab";

/// The options of `mall lab show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name of a scenario (mall lab list), or path of a file
    #[arg(value_name = "NAME")]
    name: String,
}

/// Prints the file.
pub fn run(args: &ShowArgs) -> Result<Exit> {
    let found = find(&args.name)?;
    let screen = Screen::stdout();
    for line in found.text.lines() {
        screen.write(&highlighted(line, screen));
    }
    Ok(Exit::DONE)
}

/// Comments and texts step back, the first word stands out, and what is expected is green.
fn highlighted(line: &str, screen: Screen) -> String {
    if line.starts_with('#') || line.starts_with([' ', '\t']) {
        return screen.painted(line, Colour::Dim);
    }
    let word = |text: &str| text.find(' ').map_or(text.len(), |end| end);
    let mut end = word(line);
    if matches!(&line[..end], "broken" | "fixed") && end < line.len() {
        end += 1 + word(&line[end + 1..]);
    }
    let (first, rest) = line.split_at(end);
    let colour = match first.ends_with("expect") {
        true => Colour::Green,
        false => Colour::Cyan,
    };
    screen.painted(first, colour) + &screen.painted(rest, Colour::Plain)
}
