//! `mall lab list`: a line for each scenario.

use anyhow::Result;
use clap::Args;
use lab::scenario::{Head, Run, WorldName};
use serde_json::{Value, json};
use shop::text;
use shop::text::Text;

use super::found::{Found, shipped};
use super::screen::Screen;
use crate::console::{self, columns};
use crate::exit::Exit;
use crate::language::LanguageOption;

pub const HELP: &str = "\
Examples:
  mall lab list
  mall lab list --json";

/// The options of `mall lab list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Prints one JSON array
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    language: LanguageOption,
}

/// Prints the list.
pub fn run(args: &ListArgs) -> Result<Exit> {
    let all = shipped();
    let text = match args.json {
        true => format!("{}\n", Value::from(all.iter().map(object).collect::<Vec<_>>())),
        false => table(&all, args.language),
    };
    let _ = console::print(&text);
    Ok(Exit::DONE)
}

fn table(all: &[Found], language: LanguageOption) -> String {
    let heading = [
        text!("NAME", "이름"),
        text!("SHOWS", "보여 주는 것"),
        text!("WORLDS, IF NOT ALL", "실행 환경(일부만 될 때)"),
        text!("CURE", "해결책"),
    ];
    let heading = heading.map(|text| language.read(text));
    let rows = all.iter().map(|found| {
        let head = &found.scenario.head;
        [
            found.name.clone(),
            language.read(shows(head)),
            language.read(worlds(head)),
            language.read(head.cure.clone()),
        ]
    });
    let rows: Vec<[String; 4]> = [heading].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| columns::width(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let last = last_that_fits(&widths, Screen::stdout().width);
    let line = |row: &[String; 4]| {
        let cells: String = (0..last)
            .map(|column| columns::left(&row[column], widths[column]) + "  ")
            .collect();
        format!("{}\n", (cells + &row[last]).trim_end())
    };
    let note = text!(
        "* only described, by mall lab explain NAME; all others run: mall lab run NAME\n",
        "* 설명만 있음: mall lab explain 이름. 나머지는 실행할 수 있음: mall lab run 이름\n"
    );
    rows.iter().map(line).chain([language.read(note)]).collect()
}

/// The last column for which there is room, so that no line is broken; names and titles are always shown.
fn last_that_fits(widths: &[usize], width: usize) -> usize {
    let fits = |last: &usize| widths[..=*last].iter().sum::<usize>() + 2 * last <= width;
    (1..widths.len()).rev().find(fits).unwrap_or(1)
}

/// The number that the catalogue gives an anomaly, or that of a course's experiment, and the title.
fn shows(head: &Head) -> Text {
    let numbers: Vec<String> = head.anomalies.iter().map(|number| format!("A{number}")).collect();
    let what = match head.lesson {
        Some(lesson) => text!("course {lesson} ", "과정 {lesson} "),
        None => Text::from(numbers.join(", ") + if head.described.is_some() { "*" } else { "" } + " "),
    };
    what + head.title.clone()
}

fn worlds(head: &Head) -> Text {
    if head.worlds == WorldName::ALL {
        return Text::default();
    }
    let names: Vec<&str> = head.worlds.iter().map(|world| world.word()).collect();
    names.join(", ").into()
}

fn object(found: &Found) -> Value {
    let head = &found.scenario.head;
    json!({
        "name": found.name,
        "file": found.file,
        "title": head.title.english,
        "anomalies": head.anomalies,
        "lesson": head.lesson,
        "worlds": head.worlds.iter().copied().map(WorldName::word).collect::<Vec<_>>(),
        "runs": head.runs.iter().copied().map(Run::word).collect::<Vec<_>>(),
        "described": head.described.as_ref().map(|why| why.english.as_str()),
        "cure": head.cure.english,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_gets_fewer_columns() {
        let widths = [10, 20, 30, 40];
        let last = [106, 105, 64, 63, 10].map(|width| last_that_fits(&widths, width));
        assert_eq!(last, [3, 2, 2, 1, 1]);
    }
}
