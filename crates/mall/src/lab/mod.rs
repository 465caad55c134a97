//! `mall lab`: shows how the events of an order go wrong, and what helps, by scenarios that run by themselves.
//!
//! ```text
//!  scenarios/*.lab ─ shipped ─┐
//!  a file of one's own ───────┴─ found ─▶ list │ show │ explain │ run ─ worlds ─▶ lab::run ─ screen, report ─▶
//!
//!                              on_page ─▶ the gateway's /live/scenarios
//!
//!  seeds ─▶ simulate ─▶ lab::simulation ─▶ counts, and a scenario of the smallest history that does harm
//! ```
//!
//! # Invariants
//! * A scenario runs in a world of its own, and touches no mall that runs elsewhere.
//! * What this build can't do is refused by name, before anything is run.

mod explain;
pub mod found;
mod heading;
mod list;
pub mod on_page;
mod processes;
mod report;
mod run;
mod screen;
mod shipped;
mod show;
mod simulate;
mod worlds;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;

/// The commands of `mall lab`.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Lists the scenarios: the course's experiments and the anomalies
    #[command(after_help = list::HELP)]
    List(list::ListArgs),
    /// Prints the file of a scenario, which says what happens in it and what has to come of it
    #[command(after_help = show::HELP)]
    Show(show::ShowArgs),
    /// Explains an anomaly, and asks what will come of it
    #[command(after_help = explain::HELP)]
    Explain(explain::ExplainArgs),
    /// Runs scenarios, first broken and then fixed, tells what happens, and compares it with what was expected
    #[command(after_help = run::HELP)]
    Run(run::RunArgs),
    /// Runs the code that ships through many histories, each chosen by a seed, and shows the smallest that does harm
    #[command(after_help = simulate::HELP)]
    Simulate(simulate::SimulateArgs),
}

/// Runs a command.
pub fn run(command: LabCommand) -> Result<Exit> {
    match command {
        LabCommand::List(args) => list::run(&args),
        LabCommand::Show(args) => show::run(&args),
        LabCommand::Explain(args) => explain::run(&args),
        LabCommand::Run(args) => run::run(&args),
        LabCommand::Simulate(args) => simulate::run(&args),
    }
}
