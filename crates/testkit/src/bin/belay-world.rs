//! Commands that change a world of named objects, for runbooks of the end-to-end tests.

#![allow(clippy::print_stdout, reason = "a command answers on standard output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use belay_testkit::world::{World, WorldError};
use clap::{Parser, Subcommand};

/// A small world whose log tells what was really done to it.
#[derive(Parser)]
#[command(name = "belay-world")]
struct Arguments {
    /// The folder of the world
    #[arg(long)]
    dir: PathBuf,
    /// Takes so long between the first line of the log and the change
    #[arg(long, value_name = "MS", default_value_t = 0)]
    slow: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints an object
    Get { key: String },
    /// Replaces an object
    Set { key: String, value: String },
    /// Adds to a number; doing it twice adds twice
    Add {
        key: String,
        #[arg(allow_hyphen_values = true)]
        number: i64,
    },
    /// Writes its arguments into the log
    Say {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Fails
    Fail,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("error: {error}{cause}");
            ExitCode::from(5)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, WorldError> {
    let world = World::new(arguments.dir.clone());
    let wait = || std::thread::sleep(Duration::from_millis(arguments.slow));
    match &arguments.command {
        Command::Get { key } => {
            world.act("get", Some(key), &[], None, wait)?;
            println!("{}", world.get(key)?.unwrap_or_default());
        }
        Command::Set { key, value } => {
            world.act("set", Some(key), std::slice::from_ref(value), Some(value.clone()), wait)?;
            println!("{value}");
        }
        Command::Add { key, number } => {
            let sum = (world.number(key)? + number).to_string();
            world.act("add", Some(key), &[number.to_string()], Some(sum.clone()), wait)?;
            println!("{sum}");
        }
        Command::Say { words } => {
            world.act("say", None, words, None, wait)?;
            println!("{}", words.join("\n"));
        }
        Command::Fail => {
            world.act("fail", None, &[], None, wait)?;
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
